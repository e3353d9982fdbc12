/**
 * Mode `status`: costs what is broken, not what there is. First the users who were told that an app is broken, for those
 * whose app works again no list of broken accounts shows; then Composio's project-wide list of accounts that do not work,
 * of which only users of ours count, and only those whom the first part has not read already.
 */
import { z } from 'zod';
import { ComposioFailure } from '../composio/failure.ts';
import type { ConnectionPage } from '../composio/port.ts';
import type { Audit } from '../db/audits.ts';
import { findUntoldUsers, pageToldUsers } from '../db/audit-states.ts';
import { asSystemOnce } from '../db/scope.ts';
import { BROKEN_STATUSES } from '../domain/statuses.ts';
import { isUserId } from '../domain/user-id.ts';
import { accountPages } from './account-pages.ts';
import { settleInAudit } from './audit-suspects.ts';
import type { AuditWindow } from './audit-window.ts';
import type { ActivityDeps } from './deps.ts';

/** Between two moves of the cursor: five requests of a hundred users. */
const TOLD_PER_WINDOW = 500;
const LIST_PAGES_PER_WINDOW = 20;
/** Ten million accounts that do not work: a list beyond this goes round. */
const MAX_LIST_PAGES = 100_000;
/** A cursor that Composio no longer takes (they may not live for ever): begun anew, but not without end. */
const MAX_RESTARTS = 2;

const position = z.discriminatedUnion('part', [
  z.object({ part: z.literal('told'), after: z.string() }),
  z.object({
    part: z.literal('listed'),
    next: z.string().nullable(),
    pages: z.int(),
    restarts: z.int(),
  }),
]);
type Position = z.infer<typeof position>;
type Listed = Extract<Position, { part: 'listed' }>;

/** Goes on from the audit's cursor. @returns the new cursor, null when there is nobody left. */
export async function auditNextByStatus(
  deps: ActivityDeps,
  audit: Audit,
  window: AuditWindow,
): Promise<string | null> {
  const at = readPosition(audit.cursor);
  const next =
    at.part === 'told' ? await readTold(deps, at.after, window) : await readListed(deps, at, window);
  return next === null ? null : JSON.stringify(next);
}

function readPosition(cursor: string | null): Position {
  return cursor === null ? { part: 'told', after: '' } : position.parse(JSON.parse(cursor));
}

async function readTold(deps: ActivityDeps, after: string, window: AuditWindow): Promise<Position> {
  const userIds = await asSystemOnce(deps.db, pageToldUsers({ after, limit: TOLD_PER_WINDOW }));
  const last = userIds.at(-1);
  if (last === undefined) return { part: 'listed', next: null, pages: 0, restarts: 0 };
  await settleInAudit(deps, window, userIds);
  window.counts.usersScanned += userIds.length;
  return { part: 'told', after: last };
}

async function readListed(deps: ActivityDeps, at: Listed, window: AuditWindow): Promise<Position | null> {
  const owners = new Set<string>();
  let { pages, next } = at;
  try {
    const query = { statuses: BROKEN_STATUSES, ...(next === null ? {} : { cursor: next }) };
    for await (const page of accountPages(deps.composio, query, window.options)) {
      noteOwners(page, owners, window);
      pages += 1;
      ({ nextCursor: next } = page);
      if (pages - at.pages >= LIST_PAGES_PER_WINDOW) break;
    }
  } catch (error) {
    const isRefused = error instanceof ComposioFailure && error.kind === 'rejected';
    if (!isRefused || next === null || at.restarts >= MAX_RESTARTS) throw error;
    return { part: 'listed', next: null, pages: 0, restarts: at.restarts + 1 };
  }
  // Other programs may use the same project, with ids of whatever form.
  const userIds = await asSystemOnce(deps.db, findUntoldUsers([...owners].filter(isUserId)));
  await settleInAudit(deps, window, userIds);
  window.counts.usersScanned += userIds.length;
  if (pages >= MAX_LIST_PAGES)
    throw new ComposioFailure('the list of accounts does not end', { kind: 'rejected', outcome: 'rejected' });
  // Left early, or by a cursor that leads back: the list is at its end unless the window was.
  return next === null || pages - at.pages < LIST_PAGES_PER_WINDOW ? null : { ...at, next, pages };
}

function noteOwners(page: ConnectionPage, owners: Set<string>, window: AuditWindow): void {
  for (const { entityId } of page.items) owners.add(entityId);
  for (const owner of page.unreadable ?? []) {
    if (owner === null) window.skipUnnamed();
    // Read again with the others: what cannot be read there either is skipped.
    else owners.add(owner);
  }
}
