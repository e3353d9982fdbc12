/** Users of whom something says that an app may have stopped working: read again, working accounts too, and settled. */
import type { ComposioPort, ConnectionQuery } from '../composio/port.ts';
import { cutToUrl } from '../domain/cut-to-url.ts';
import type { ConnectedAccount } from '../domain/gate.ts';
import { BROKEN_STATUSES } from '../domain/statuses.ts';
import { toEntityId } from '../domain/user-id.ts';
import { type PageOptions as AskOptions, accountPages } from './account-pages.ts';
import type { AuditWindow } from './audit-window.ts';
import type { ActivityDeps } from './deps.ts';
import { readAccounts } from './read-accounts.ts';
import { type SettleResult, settleUsers } from './settle-users.ts';

/** Suspects are read again this many users at a time. */
const SUSPECTS_AT_ONCE = 100;
const TELLING_STATUSES = [...BROKEN_STATUSES, 'ACTIVE' as const];

export type PageOptions = AskOptions & {
  /** Of each page, once it is there. */
  readonly onAccounts?: (accounts: readonly ConnectedAccount[]) => void;
};

/** All pages of a question, as far as accounts can be read in them. */
export async function* pagesOf(
  composio: ComposioPort,
  query: ConnectionQuery,
  options: PageOptions,
): AsyncGenerator<readonly ConnectedAccount[]> {
  for await (const { items } of accountPages(composio, query, options)) {
    options.onAccounts?.(items);
    yield items;
  }
}

/**
 * Reads these users again and settles each app: an episode and one notice where it is broken, the episode's end where it
 * works or is gone. All or nothing: for a few users, whom somebody asked about. @throws ComposioFailure
 */
export async function settleSuspects(
  deps: ActivityDeps,
  userIds: readonly string[],
  options: PageOptions,
): Promise<SettleResult> {
  if (userIds.length === 0) return { broken: 0, notified: 0 };
  const askedAt = performance.now();
  const accounts: ConnectedAccount[] = [];
  const query = { entityIds: userIds.map(toEntityId), statuses: TELLING_STATUSES };
  for await (const page of pagesOf(deps.composio, query, options)) accounts.push(...page);
  return settleUsers(deps, { auditId: null, userIds, accounts, askedAt, signal: options.signal });
}

/** The same for an audit: a hundred at a time, and who cannot be read is skipped. */
export async function settleInAudit(
  deps: ActivityDeps,
  window: AuditWindow,
  suspects: Iterable<string>,
): Promise<void> {
  const { auditId, counts, options } = window;
  let rest: readonly string[] = [...suspects].filter((userId) => !window.skipped.has(userId)).sort();
  while (rest.length > 0) {
    const userIds = cutToUrl(rest.slice(0, SUSPECTS_AT_ONCE));
    rest = rest.slice(userIds.length);
    const askedAt = performance.now();
    const reading = await readAccounts(deps.composio, { userIds, statuses: TELLING_STATUSES }, options);
    window.skip(reading.unreadable);
    const { broken, notified } = await settleUsers(deps, {
      auditId,
      userIds: userIds.filter((userId) => !window.skipped.has(userId)),
      accounts: reading.accounts,
      askedAt,
      signal: options.signal,
      onUnstorable: (userId) => window.skip([{ userId, reason: 'unstorable' }]),
    });
    counts.broken += broken;
    counts.notified += notified;
  }
}
