/**
 * Mode `users`: all users in byte order of their ids, a hundred at a time asked for accounts that do not work. No database
 * transaction is open while Composio is asked.
 */
import type { Audit } from '../db/audits.ts';
import { pageUsersToAudit } from '../db/audit-states.ts';
import { asSystemOnce } from '../db/scope.ts';
import { cutToUrl } from '../domain/cut-to-url.ts';
import { BROKEN_STATUSES } from '../domain/statuses.ts';
import { isUserId } from '../domain/user-id.ts';
import { settleInAudit } from './audit-suspects.ts';
import type { AuditWindow } from './audit-window.ts';
import type { ActivityDeps } from './deps.ts';
import { readAccounts } from './read-accounts.ts';
import { sideBySide } from './side-by-side.ts';

/**
 * Between two moves of the cursor. What a lost attempt repeats is at most this much, 100 requests: seconds, at any usual limit.
 * Smaller, and the last suspects of each would be a request of their own too often.
 */
const USERS_PER_WINDOW = 10_000;
/** Composio documents no maximum of `user_ids`; where the ids are long, the length of the address says how many. */
const USERS_PER_REQUEST = 100;
/** By Little's law half a second per answer still uses all of the default limit (2,000 a minute); the budget holds the rate. */
const REQUESTS_AT_ONCE = 16;

/** Goes on from the audit's cursor. @returns the new cursor, null when there is nobody left. */
export async function auditNextByUser(
  deps: ActivityDeps,
  audit: Audit,
  window: AuditWindow,
): Promise<string | null> {
  const page = { after: audit.cursor, limit: USERS_PER_WINDOW };
  const users = await asSystemOnce(deps.db, pageUsersToAudit(page));
  const last = users.at(-1);
  if (!last) return null;
  // Whose episode is open and who is not shown as broken may have been mended elsewhere: read again, and closed if so.
  const suspects = new Set(users.filter((user) => user.isTold).map((user) => user.userId));
  const batches = cutToBatches(users.map((user) => user.userId).filter(isUserId));
  const work = { atOnce: REQUESTS_AT_ONCE, signal: window.options.signal };
  await sideBySide(batches, work, async (userIds, signal) => {
    const question = { userIds, statuses: BROKEN_STATUSES };
    const reading = await readAccounts(deps.composio, question, window.withSignal(signal));
    window.skip(reading.unreadable);
    for (const account of reading.accounts) suspects.add(account.entityId);
    window.counts.usersScanned += userIds.length;
  });
  await settleInAudit(deps, window, suspects);
  return last.userId;
}

function cutToBatches(userIds: readonly string[]): readonly (readonly string[])[] {
  const batches: (readonly string[])[] = [];
  for (let rest = userIds; rest.length > 0;) {
    const batch = cutToUrl(rest.slice(0, USERS_PER_REQUEST));
    batches.push(batch);
    rest = rest.slice(batch.length);
  }
  return batches;
}
