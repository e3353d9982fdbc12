/**
 * All connected accounts, indexed by user and by status, so that a page of a million accounts costs what the page costs.
 * The only place that changes an account; every change is reported once to `onChange`.
 */
import type { ConnectionStatus } from '../../../domain/statuses.ts';
import type { Account } from './account.ts';
import { distinctTimestamp, nanoId } from './ids.ts';

export type NewAccount = Pick<Account, 'userId' | 'toolkit' | 'authConfigId' | 'status'> &
  Partial<Pick<Account, 'id' | 'statusReason' | 'alias' | 'accountName' | 'disabled' | 'createdAt'>>;
export type AccountPatch = Partial<
  Pick<
    Account,
    | 'status'
    | 'statusReason'
    | 'disabled'
    | 'alias'
    | 'accountName'
    | 'revokedAtProvider'
    | 'activatesAt'
    | 'consentedAt'
    | 'sessionUri'
  >
>;

export class Accounts {
  readonly #byId = new Map<string, Account>();
  readonly #byUser = new Map<string, Set<Account>>();
  readonly #byStatus = new Map<ConnectionStatus, Set<Account>>();
  readonly #activating = new Set<Account>();
  readonly #countByAuthConfig = new Map<string, number>();
  readonly #onChange: () => void;
  /** Grows with every change: what was sorted at another version is stale. */
  version = 0;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  create(details: NewAccount): Account {
    const createdAt = details.createdAt ?? distinctTimestamp();
    const account: Account = {
      id: details.id ?? nanoId('ca_'),
      userId: details.userId,
      toolkit: details.toolkit,
      authConfigId: details.authConfigId,
      status: details.status,
      statusReason: details.statusReason ?? null,
      disabled: details.disabled ?? false,
      alias: details.alias ?? null,
      accountName: details.accountName ?? details.userId,
      revokedAtProvider: false,
      createdAt,
      updatedAt: createdAt,
      activatesAt: null,
      consentedAt: null,
      sessionUri: null,
    };
    this.restore(account);
    return account;
  }

  restore(account: Account): void {
    this.#byId.set(account.id, account);
    addTo(this.#byUser, account.userId, account);
    addTo(this.#byStatus, account.status, account);
    if (account.activatesAt !== null) this.#activating.add(account);
    this.#countAuthConfig(account, 1);
    this.#changed();
  }

  update(account: Account, patch: AccountPatch): void {
    if (patch.status !== undefined && patch.status !== account.status) {
      this.#byStatus.get(account.status)?.delete(account);
      addTo(this.#byStatus, patch.status, account);
    }
    Object.assign(account, patch);
    if (account.activatesAt === null) this.#activating.delete(account);
    else this.#activating.add(account);
    account.updatedAt = distinctTimestamp();
    this.#changed();
  }

  delete(id: string): boolean {
    const account = this.#byId.get(id);
    if (!account) return false;
    this.#byId.delete(id);
    const mine = this.#byUser.get(account.userId);
    mine?.delete(account);
    if (mine?.size === 0) this.#byUser.delete(account.userId);
    this.#byStatus.get(account.status)?.delete(account);
    this.#activating.delete(account);
    this.#countAuthConfig(account, -1);
    this.#changed();
    return true;
  }

  get(id: string): Account | undefined {
    return this.#byId.get(id);
  }

  get size(): number {
    return this.#byId.size;
  }

  all(): Iterable<Account> {
    return this.#byId.values();
  }

  ofUser(userId: string): Iterable<Account> {
    return this.#byUser.get(userId) ?? [];
  }

  inStatus(status: ConnectionStatus): Iterable<Account> {
    return this.#byStatus.get(status) ?? [];
  }

  /** Consented accounts that are not ACTIVE yet. */
  activating(): Iterable<Account> {
    return this.#activating;
  }

  countOfAuthConfig(id: string): number {
    return this.#countByAuthConfig.get(id) ?? 0;
  }

  #countAuthConfig(account: Account, change: number): void {
    this.#countByAuthConfig.set(account.authConfigId, this.countOfAuthConfig(account.authConfigId) + change);
  }

  #changed(): void {
    this.version += 1;
    this.#onChange();
  }
}

function addTo<K>(index: Map<K, Set<Account>>, key: K, account: Account): void {
  const bucket = index.get(key);
  if (bucket) bucket.add(account);
  else index.set(key, new Set([account]));
}
