/**
 * The accounts of many users by one question, and whose cannot be read. What Composio refuses, breaks off or never ends is
 * asked again for a part of the users, until the one whom it is about stands alone: an audit must not stop at one user, and
 * must not pass an outage off as many users' fault. So before anybody is blamed, Composio answers the same question about nobody.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ComposioFailure } from '../composio/failure.ts';
import type { ComposioPort } from '../composio/port.ts';
import type { ConnectedAccount } from '../domain/gate.ts';
import type { ConnectionStatus, SkipReason } from '../domain/statuses.ts';
import { toEntityId } from '../domain/user-id.ts';
import { type PageOptions, accountPages, askPage } from './account-pages.ts';

export type Unreadable = { readonly userId: string; readonly reason: SkipReason };
export type AccountReading = {
  readonly accounts: readonly ConnectedAccount[];
  readonly unreadable: readonly Unreadable[];
};
type Question = { readonly userIds: readonly string[]; readonly statuses: readonly ConnectionStatus[] };

/** 20,000 accounts of a hundred users: beyond this a list is a fault. */
const MAX_PAGES = 200;
/** A list may have holes where accounts were filtered out; so many pages without any new account are one that goes round. */
const MAX_IDLE_PAGES = 20;
/** A reset or a 502 now and then is no reason to look for somebody to blame, nor to give up the one who was found. */
const TRIES = 2;
const RETRY_MS = 500;
/** An id that no integrator has: what Composio answers about it is about Composio. */
const NOBODY = 'bellhop-audit-asks-about-nobody';

/** The answer cannot be used, and one of the users asked for is why. */
class UnreadableError extends Error {
  override readonly name = 'UnreadableError';
  readonly reason: SkipReason;
  /** Whom it is probably about. */
  readonly userId: string | null;

  constructor(reason: SkipReason, userId: string | null) {
    super(`unreadable: ${reason}`);
    this.reason = reason;
    this.userId = userId;
  }
}

/** @throws ComposioFailure when Composio itself is not well, and what the signal aborts with. */
export async function readAccounts(
  composio: ComposioPort,
  question: Question,
  options: PageOptions,
): Promise<AccountReading> {
  return readOrSplit(composio, question, options, false);
}

async function readOrSplit(
  composio: ComposioPort,
  question: Question,
  options: PageOptions,
  isPart: boolean,
): Promise<AccountReading> {
  const { userIds } = question;
  let blame: { error: unknown; reason: SkipReason };
  try {
    return await readPatiently(composio, question, options, isPart && userIds.length > 1 ? 1 : TRIES);
  } catch (error) {
    options.signal.throwIfAborted();
    const reason = reasonOf(error);
    if (reason === null) throw error;
    blame = { error, reason };
  }
  const [only] = userIds;
  const isAlone = userIds.length === 1 && only !== undefined;
  // Asked anew before anybody is given up: what was well when the halving began may have gone down since.
  if (!(blame.error instanceof UnreadableError) && (isAlone || !isPart))
    await provePossible(composio, question, options);
  if (isAlone) return { accounts: [], unreadable: [{ userId: only, reason: blame.reason }] };
  const readings: AccountReading[] = [];
  for (const part of split(userIds, blame.error))
    readings.push(await readOrSplit(composio, { ...question, userIds: part }, options, true));
  return {
    accounts: readings.flatMap((reading) => reading.accounts),
    unreadable: readings.flatMap((reading) => reading.unreadable),
  };
}

async function readPatiently(
  composio: ComposioPort,
  question: Question,
  options: PageOptions,
  mostTries: number,
): Promise<AccountReading> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await readWhole(composio, question, options);
    } catch (error) {
      options.signal.throwIfAborted();
      if (tries >= mostTries || error instanceof UnreadableError || reasonOf(error) !== 'failing')
        throw error;
      await sleep(RETRY_MS, undefined, { signal: options.signal });
    }
  }
}

/** All pages, each account once. Accounts of others than those asked for are left out: the filter of an address is a wish. */
async function readWhole(
  composio: ComposioPort,
  { userIds, statuses }: Question,
  options: PageOptions,
): Promise<AccountReading> {
  const asked = new Set(userIds);
  const accounts = new Map<string, ConnectedAccount>();
  const malformed = new Set<string>();
  let pages = 0;
  let idlePages = 0;
  for await (const page of accountPages(
    composio,
    { entityIds: userIds.map(toEntityId), statuses },
    options,
  )) {
    const before = accounts.size;
    for (const account of page.items)
      if (asked.has(account.entityId)) accounts.set(`${account.entityId} ${account.id}`, account);
    for (const owner of page.unreadable ?? []) {
      const userId = owner ?? (userIds.length === 1 ? userIds[0] : undefined);
      if (userId === undefined) throw new UnreadableError('malformed', null);
      if (asked.has(userId)) malformed.add(userId);
    }
    pages += 1;
    idlePages = accounts.size === before ? idlePages + 1 : 0;
    if (pages >= MAX_PAGES || idlePages >= MAX_IDLE_PAGES)
      throw new UnreadableError('endless', ownerOfMost([...accounts.values()]));
  }
  return {
    accounts: [...accounts.values()].filter((account) => !malformed.has(account.entityId)),
    unreadable: [...malformed].map((userId) => ({ userId, reason: 'malformed' as const })),
  };
}

/** @throws what Composio says to the same question about nobody. */
async function provePossible(
  composio: ComposioPort,
  { statuses }: Question,
  options: PageOptions,
): Promise<void> {
  try {
    await askPage(composio, { entityIds: [NOBODY], statuses, limit: 1 }, options);
  } catch (error) {
    options.signal.throwIfAborted();
    throw error;
  }
}

/** Null: it says nothing about users. */
function reasonOf(error: unknown): SkipReason | null {
  if (error instanceof UnreadableError) return error.reason;
  if (!(error instanceof ComposioFailure) || error.kind === 'rate_limited') return null;
  // Not sent at all. What answered with a status, be it a firewall's page, may have minded something in the question.
  if (error.kind === 'unavailable' && error.httpStatus === null) return null;
  return error.kind === 'transient' || error.kind === 'too_large' ? 'failing' : 'refused';
}

/** Whoever stands out is set apart from the others; else halves. */
function split(userIds: readonly string[], error: unknown): readonly (readonly string[])[] {
  const suspect = error instanceof UnreadableError ? error.userId : null;
  if (suspect !== null) return [userIds.filter((userId) => userId !== suspect), [suspect]];
  const middle = Math.ceil(userIds.length / 2);
  return [userIds.slice(0, middle), userIds.slice(middle)];
}

function ownerOfMost(accounts: readonly ConnectedAccount[]): string | null {
  const counts = new Map<string, number>();
  for (const { entityId } of accounts) counts.set(entityId, (counts.get(entityId) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
}
