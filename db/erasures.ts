/**
 * Erasures. Whom one is about stands in that user's own row and nowhere else, so that it is forgotten with the row. They
 * span users' lives, so all of this runs as the system role.
 */
import { sql } from 'kysely';
import type { ErasureCounts } from '../domain/erasure.ts';
import type { SystemTx } from './scope.ts';

export type Erasure = {
  readonly id: string;
  readonly status: 'running' | 'completed';
  readonly report: ErasureCounts;
  readonly startedAt: Date;
  readonly finishedAt: Date | null;
};

/** PostgreSQL's code when something of a user who is being erased would begin (migration 0022). */
export const ERASING_CODE = 'BH409';

/**
 * The tombstone: from its commit on nothing of the user begins. What is open is ended in the rows; whoever runs it is told
 * by the erasure's workflow. @returns null for an unknown user; the erasure that runs already, if one does.
 */
export async function beginErasure(
  tx: SystemTx,
  { id, userId }: { id: string; userId: string },
): Promise<{ erasureId: string; isNew: boolean } | null> {
  const user = await tx
    .selectFrom('users')
    .select('erasure_id')
    .where('user_id', '=', userId)
    // Waits for every transaction that has begun something of the user.
    .forUpdate()
    .executeTakeFirst();
  if (!user) return null;
  if (user.erasure_id !== null) return { erasureId: user.erasure_id, isNew: false };
  await tx
    .insertInto('erasures')
    .values({ id, report: JSON.stringify({}) })
    .execute();
  await tx.updateTable('users').set({ erasure_id: id }).where('user_id', '=', userId).execute();
  const counts = await countRows(tx, userId);
  await addToReport(tx, id, counts);
  await tx
    .updateTable('runs')
    .set({
      cancel_requested_at: sql<Date>`coalesce(cancel_requested_at, now())`,
      updated_at: sql<Date>`now()`,
    })
    .where('user_id', '=', userId)
    .where('finished_at', 'is', null)
    .execute();
  await tx
    .updateTable('connection_flows')
    .set({ status: 'cancelled', reason: 'user_erased', ended_at: sql<Date>`now()` })
    .where('user_id', '=', userId)
    .where('status', '=', 'open')
    .execute();
  await tx
    .updateTable('deliveries')
    .set({ status: 'skipped', last_error: 'the user is being erased', updated_at: sql<Date>`now()` })
    .where('notice_id', 'in', (eb) => eb.selectFrom('notices').select('id').where('user_id', '=', userId))
    .where('status', '=', 'pending')
    .execute();
  return { erasureId: id, isNew: true };
}

async function countRows(tx: SystemTx, userId: string): Promise<Partial<ErasureCounts>> {
  const { rows } = await sql<Record<'runs' | 'flows' | 'notices', number>>`
    select (select count(*) from runs where user_id = ${userId})::int as runs,
      (select count(*) from connection_flows where user_id = ${userId})::int as flows,
      (select count(*) from notices where user_id = ${userId})::int as notices`.execute(tx);
  return rows[0] ?? {};
}

/** Adds to what was counted so far. */
export async function addToReport(
  tx: SystemTx,
  erasureId: string,
  counts: Partial<ErasureCounts>,
): Promise<void> {
  for (const [name, n] of Object.entries(counts)) {
    if (n === 0) continue;
    await sql`update erasures set report = jsonb_set(report, array[${name}]::text[],
      to_jsonb(coalesce((report ->> ${name})::int, 0) + ${n}::int)) where id = ${erasureId}`.execute(tx);
  }
}

export async function getErasure(tx: SystemTx, id: string): Promise<Erasure | null> {
  const row = await tx.selectFrom('erasures').selectAll().where('id', '=', id).executeTakeFirst();
  if (!row) return null;
  const { report } = row;
  return {
    id: row.id,
    status: row.status,
    report: {
      runs: report.runs ?? 0,
      flows: report.flows ?? 0,
      notices: report.notices ?? 0,
      connections: report.connections ?? 0,
      connectionsRefused: report.connectionsRefused ?? 0,
      executions: report.executions ?? 0,
    },
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}

/** Whom a running erasure is about; null once they are gone. */
export async function findErasedUser(tx: SystemTx, erasureId: string): Promise<string | null> {
  const row = await tx
    .selectFrom('users')
    .select('user_id')
    .where('erasure_id', '=', erasureId)
    .executeTakeFirst();
  return row?.user_id ?? null;
}

/** Erasures that should be at work, for `sweep` to ask Temporal about. */
export async function listRunningErasures(
  tx: SystemTx,
  page: { olderThanMs: number; limit: number },
): Promise<readonly string[]> {
  const rows = await tx
    .selectFrom('erasures')
    .select('id')
    .where('status', '=', 'running')
    .where('started_at', '<', sql<Date>`now() - ${page.olderThanMs} * interval '1 millisecond'`)
    .orderBy('started_at')
    .limit(page.limit)
    .execute();
  return rows.map((row) => row.id);
}
