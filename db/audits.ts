/** Audits: one row each, at most one running. They span users, so all of this runs as the system role. */
import type { Selectable } from 'kysely';
import { sql } from 'kysely';
import type { AuditMode, AuditStatus, SkipReason } from '../domain/statuses.ts';
import type { AuditsTable } from './schema.ts';
import type { SystemTx } from './scope.ts';

export type Audit = {
  readonly id: string;
  readonly mode: AuditMode;
  readonly status: AuditStatus;
  readonly workflowId: string;
  readonly cursor: string | null;
  readonly usersScanned: number;
  readonly broken: number;
  readonly notified: number;
  readonly skipped: number;
  readonly composioRequests: number;
  readonly startedAt: Date;
  readonly finishedAt: Date | null;
};
export type AuditCounts = Pick<
  Audit,
  'usersScanned' | 'broken' | 'notified' | 'skipped' | 'composioRequests'
>;

export type SkippedUser = { readonly userId: string; readonly reason: SkipReason };

/** Opens an audit, or says which one is running. Opening the same id twice returns it. */
export async function openAudit(
  tx: SystemTx,
  audit: { id: string; mode: AuditMode; workflowId: string },
): Promise<{ kind: 'opened' | 'running'; audit: Audit }> {
  const row = await tx
    .insertInto('audits')
    .values({ id: audit.id, mode: audit.mode, workflow_id: audit.workflowId, cursor: null, error: null })
    .onConflict((oc) => oc.doNothing())
    .returningAll()
    .executeTakeFirst();
  if (row) return { kind: 'opened', audit: toAudit(row) };
  const mine = await tx.selectFrom('audits').selectAll().where('id', '=', audit.id).executeTakeFirst();
  if (mine) return { kind: 'opened', audit: toAudit(mine) };
  const other = await tx.selectFrom('audits').selectAll().where('status', '=', 'running').executeTakeFirst();
  // The other one may have ended between the two statements; the caller tries again.
  if (!other) return openAudit(tx, audit);
  return { kind: 'running', audit: toAudit(other) };
}

export async function getAudit(tx: SystemTx, auditId: string): Promise<Audit | null> {
  const row = await tx.selectFrom('audits').selectAll().where('id', '=', auditId).executeTakeFirst();
  return row ? toAudit(row) : null;
}

/**
 * Moves the cursor from where the caller read it, with what was counted and who was skipped on the way. @returns false when
 * another attempt has moved it: that way is counted.
 */
export async function advanceAudit(
  tx: SystemTx,
  auditId: string,
  step: { from: string | null; to: string | null; counts: AuditCounts; skipped?: readonly SkippedUser[] },
): Promise<boolean> {
  const done = await tx
    .updateTable('audits')
    .set({
      cursor: step.to,
      users_scanned: sql<number>`users_scanned + ${step.counts.usersScanned}`,
      broken: sql<number>`broken + ${step.counts.broken}`,
      notified: sql<number>`notified + ${step.counts.notified}`,
      skipped: sql<number>`skipped + ${step.counts.skipped}`,
      composio_requests: sql<number>`composio_requests + ${step.counts.composioRequests}`,
    })
    .where('id', '=', auditId)
    .where(sql<boolean>`cursor is not distinct from ${step.from}`)
    .executeTakeFirst();
  if (done.numUpdatedRows === 0n) return false;
  if (step.skipped && step.skipped.length > 0) await noteSkipped(tx, auditId, step.skipped);
  return true;
}

/** Of those who are still users: nobody else is left to be looked at. */
async function noteSkipped(tx: SystemTx, auditId: string, skipped: readonly SkippedUser[]): Promise<void> {
  await sql`
    insert into audit_skips (audit_id, user_id, reason)
    select ${auditId}, s.user_id, s.reason
    from unnest(${skipped.map((skip) => skip.userId)}::text[], ${skipped.map((skip) => skip.reason)}::text[]) as s (user_id, reason)
    join users u on u.user_id = s.user_id
    on conflict do nothing
  `.execute(tx);
}

/** Whom an audit could not look at, in user id order. */
export async function listSkipped(
  tx: SystemTx,
  auditId: string,
  limit: number,
): Promise<readonly SkippedUser[]> {
  const rows = await tx
    .selectFrom('audit_skips')
    .select(['user_id', 'reason'])
    .where('audit_id', '=', auditId)
    .orderBy('user_id')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ userId: row.user_id, reason: row.reason }));
}

/** The first end wins. Where it stood, a user's id, is kept no longer than it is of use. */
export async function finishAudit(
  tx: SystemTx,
  auditId: string,
  status: Exclude<AuditStatus, 'running'>,
  error: string | null = null,
): Promise<void> {
  await tx
    .updateTable('audits')
    .set({ status, error, cursor: null, finished_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', auditId)
    .where('status', '=', 'running')
    .execute();
}

/** Takes back an audit whose workflow provably never started. */
export async function withdrawAudit(tx: SystemTx, auditId: string): Promise<void> {
  await tx.deleteFrom('audits').where('id', '=', auditId).where('users_scanned', '=', 0).execute();
}

/** The audit that claims to run, for `sweep` to ask Temporal about. */
export async function getRunningAudit(
  tx: SystemTx,
  { olderThanMs }: { olderThanMs: number },
): Promise<Audit | null> {
  const row = await tx
    .selectFrom('audits')
    .selectAll()
    .where('status', '=', 'running')
    .where('started_at', '<=', sql<Date>`now() - ${olderThanMs} * interval '1 millisecond'`)
    .executeTakeFirst();
  return row ? toAudit(row) : null;
}

export async function listAudits(
  tx: SystemTx,
  page: { before: { startedAt: string; id: string } | null; limit: number },
): Promise<readonly { audit: Audit; startedAtText: string }[]> {
  let query = tx
    .selectFrom('audits')
    .selectAll()
    .select(sql<string>`started_at::text`.as('started_at_text'))
    .orderBy('started_at', 'desc')
    .orderBy('id', 'desc')
    .limit(page.limit);
  const { before } = page;
  if (before)
    query = query.where(sql<boolean>`(started_at, id) < (${before.startedAt}::timestamptz, ${before.id})`);
  return (await query.execute()).map((row) => ({ audit: toAudit(row), startedAtText: row.started_at_text }));
}

function toAudit(row: Selectable<AuditsTable>): Audit {
  return {
    id: row.id,
    mode: row.mode,
    status: row.status,
    workflowId: row.workflow_id,
    cursor: row.cursor,
    usersScanned: row.users_scanned,
    broken: row.broken,
    notified: row.notified,
    skipped: row.skipped,
    composioRequests: row.composio_requests,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}
