/**
 * Pages of connected accounts. Cursors are positions (sort value and id), not offsets: an account that is added or
 * deleted between two pages neither hides nor repeats another.
 */
import type { ConnectionStatus } from '../../../domain/statuses.ts';
import { badRequest } from '../wire-error.ts';
import type { Account } from './account.ts';
import type { Accounts } from './accounts.ts';

export type AccountQuery = {
  readonly ids: readonly string[] | null;
  readonly userIds: readonly string[] | null;
  readonly authConfigIds: readonly string[] | null;
  readonly toolkits: readonly string[] | null;
  readonly statuses: readonly ConnectionStatus[] | null;
  readonly orderBy: 'createdAt' | 'updatedAt';
  readonly descending: boolean;
  readonly limit: number;
  readonly cursor: string | null;
};
export type AccountPage = {
  readonly items: readonly Account[];
  readonly nextCursor: string | null;
  readonly totalItems: number;
  readonly totalPages: number;
  readonly currentPage: number;
};

// A sweep by status asks for the same sorted list page after page; a few sweeps at once are all that is expected.
const SORTED_LISTS_KEPT = 8;

export class AccountPages {
  readonly #accounts: Accounts;
  readonly #sorted = new Map<string, { readonly version: number; readonly list: readonly Account[] }>();

  constructor(accounts: Accounts) {
    this.#accounts = accounts;
  }

  /** @throws WireError 400 for a cursor that this server did not make. */
  page(query: AccountQuery): AccountPage {
    const list = this.#sortedList(query);
    const position = query.cursor === null ? null : decodeCursor(query.cursor);
    const start = position === null ? 0 : firstAfter(list, query, position);
    const items = list.slice(start, start + query.limit);
    const currentPage = position === null ? 1 : position.page + 1;
    const last = items.at(-1);
    const hasMore = last !== undefined && start + items.length < list.length;
    return {
      items,
      nextCursor: hasMore ? encodeCursor(last[query.orderBy], last.id, currentPage) : null,
      totalItems: list.length,
      totalPages: Math.ceil(list.length / query.limit),
      currentPage,
    };
  }

  #sortedList(query: AccountQuery): readonly Account[] {
    const { limit, cursor: _cursor, ...identity } = query;
    const key = JSON.stringify(identity);
    const kept = this.#sorted.get(key);
    if (kept && kept.version === this.#accounts.version) return kept.list;
    const list = [...this.#candidates(query)].filter((account) => matches(account, query));
    list.sort((a, b) => compare(a, b, query));
    // A list that fits its page is not asked for again: keep only the long ones.
    if (list.length > limit) {
      if (this.#sorted.size >= SORTED_LISTS_KEPT) this.#sorted.clear();
      this.#sorted.set(key, { version: this.#accounts.version, list });
    }
    return list;
  }

  #candidates(query: AccountQuery): Iterable<Account> {
    const accounts = this.#accounts;
    if (query.ids) return new Set(query.ids.flatMap((id) => accounts.get(id) ?? []));
    if (query.userIds) return [...new Set(query.userIds)].flatMap((id) => [...accounts.ofUser(id)]);
    if (query.statuses)
      return [...new Set(query.statuses)].flatMap((status) => [...accounts.inStatus(status)]);
    return accounts.all();
  }
}

function matches(account: Account, query: AccountQuery): boolean {
  return (
    (query.userIds === null || query.userIds.includes(account.userId)) &&
    (query.statuses === null || query.statuses.includes(account.status)) &&
    (query.toolkits === null || query.toolkits.includes(account.toolkit)) &&
    (query.authConfigIds === null || query.authConfigIds.includes(account.authConfigId))
  );
}

type Position = { readonly value: string; readonly id: string; readonly page: number };

function compareKeys(
  a: { value: string; id: string },
  b: { value: string; id: string },
  descending: boolean,
): number {
  const order = a.value < b.value ? -1 : a.value > b.value ? 1 : a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
  return descending ? -order : order;
}

function compare(a: Account, b: Account, { orderBy, descending }: AccountQuery): number {
  return compareKeys({ value: a[orderBy], id: a.id }, { value: b[orderBy], id: b.id }, descending);
}

/** Index of the first account behind the position, by bisection. */
function firstAfter(list: readonly Account[], query: AccountQuery, position: Position): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const account = list[middle];
    if (!account) break;
    const key = { value: account[query.orderBy], id: account.id };
    if (compareKeys(key, position, query.descending) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function encodeCursor(value: string, id: string, page: number): string {
  return Buffer.from(`${value}|${id}|${page}`).toString('base64url');
}

function decodeCursor(cursor: string): Position {
  const [value, id, page] = Buffer.from(cursor, 'base64url').toString('utf8').split('|');
  if (!value || !id || !page || !/^\d+$/.test(page)) throw badRequest('Invalid cursor');
  return { value, id, page: Number(page) };
}
