/**
 * How many runs of one user may be at work at once. A run that waits for a person does not count, and one that comes back
 * from such a wait does not queue again, so that nobody who has connected or approved waits a second time.
 */
import { sql } from 'kysely';
import { type SystemTx, type UserTx, userLock } from './scope.ts';

/** At work: admitted, not ended, waiting for nobody. */
const IS_AT_WORK = "(o.admitted_at is not null and o.status = 'running')";
const AT_WORK = sql.raw<boolean>(IS_AT_WORK);

/** How many of user $2 stand before run $1, which is in no line yet: for statements that admit a run with all else that they do. */
export const AHEAD_IN_LINE = `
    select count(*) as ahead from runs o
    where o.user_id = $2::text and o.finished_at is null and o.id <> $1::text
      and (${IS_AT_WORK} or o.queued_at is not null)
  `;

/**
 * Gives the run a place, or puts it in line behind those who came before. @returns whether it may go on.
 * The lock makes admissions of one user one after the other: counted side by side, all would find a place.
 */
export async function admitRun(
  tx: UserTx,
  run: { readonly id: string; readonly userId: string },
  limit: number,
): Promise<boolean> {
  await sql.raw(userLock(run.userId, 'admit')).execute(tx);
  const { rows } = await sql<{ is_admitted: boolean }>`
    update runs r set
      admitted_at = case when line.ahead < ${limit}::int then clock_timestamp() end,
      queued_at = case when line.ahead < ${limit}::int then null else coalesce(r.queued_at, clock_timestamp()) end
    from (
      select count(*) as ahead from runs o, runs me
      where me.id = ${run.id} and o.user_id = ${run.userId} and o.finished_at is null and o.id <> me.id
        and (${AT_WORK} or (o.queued_at is not null and (me.queued_at is null or (o.queued_at, o.id) < (me.queued_at, me.id))))
    ) line
    where r.id = ${run.id}
    returning r.admitted_at is not null as is_admitted`.execute(tx);
  return rows[0]?.is_admitted ?? false;
}

/** It no longer waits for a place. */
export async function leaveLine(tx: UserTx, runId: string): Promise<void> {
  await tx
    .updateTable('runs')
    .set({ queued_at: null })
    .where('id', '=', runId)
    .where('queued_at', 'is not', null)
    .execute();
}

/** The runs in line for which there is a place now, first come first. */
export async function nextInLine(tx: UserTx, userId: string, limit: number): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    select q.id from runs q
    where q.user_id = ${userId} and q.queued_at is not null and q.finished_at is null
    order by q.queued_at, q.id
    limit greatest(0, ${limit}::int - (
      select count(*) from runs o where o.user_id = ${userId} and o.finished_at is null and ${AT_WORK}))`.execute(
    tx,
  );
  return rows.map((row) => row.id);
}

/** Users who have runs in line. */
export async function listUsersInLine(tx: SystemTx, limit: number): Promise<readonly string[]> {
  const rows = await tx
    .selectFrom('runs')
    .select('user_id')
    .distinct()
    .where('queued_at', 'is not', null)
    .where('finished_at', 'is', null)
    .limit(limit)
    .execute();
  return rows.map((row) => row.user_id);
}
