/** The rows of a user who is being erased: what is still open, which workflows there were, and their end. System role. */
import { sql } from 'kysely';
import type { NoticeChannel } from '../domain/notice.ts';
import type { SystemTx } from './scope.ts';

/** What must be waited for before the user's things may be taken away. Milliseconds by the database's clock. */
export type StillOpen = {
  /** Runs that have not ended, and how long ago they were accepted. */
  readonly runs: readonly { readonly id: string; readonly ageMs: number }[];
  /** A request that was sent, or a link that is being minted, may still have an effect for this long; 0: none. */
  readonly busyMs: number;
};

/** A link is minted within 10 s of its attempt's row (api/connect/open-attempt.ts), and its account stored a moment later. */
const MINTING_MS = 15_000;

export async function readStillOpen(tx: SystemTx, userId: string): Promise<StillOpen> {
  const runs = await sql<{ id: string; age_ms: number }>`
    select id, (extract(epoch from clock_timestamp() - created_at) * 1000)::float8 as age_ms
    from runs where user_id = ${userId} and finished_at is null`.execute(tx);
  const { rows } = await sql<{ busy_ms: number }>`
    select greatest(0,
      (select max(extract(epoch from deadline_at - clock_timestamp()) * 1000) from tool_calls
        where user_id = ${userId} and status = 'started'),
      (select max(${MINTING_MS}::float8 - extract(epoch from clock_timestamp() - created_at) * 1000)
        from connection_attempts where user_id = ${userId} and account_id is null)
    )::float8 as busy_ms`.execute(tx);
  return {
    runs: runs.rows.map((row) => ({ id: row.id, ageMs: row.age_ms })),
    busyMs: rows[0]?.busy_ms ?? 0,
  };
}

export type WorkflowRow =
  | { readonly kind: 'run'; readonly id: string }
  | { readonly kind: 'flow'; readonly id: string }
  | { readonly kind: 'notice'; readonly id: string; readonly channels: readonly NoticeChannel[] };

/** A keyset page of what had a workflow, of one kind. */
export async function pageWorkflowRows(
  tx: SystemTx,
  page: { userId: string; kind: WorkflowRow['kind']; after: string; limit: number },
): Promise<readonly WorkflowRow[]> {
  const { userId, kind, after, limit } = page;
  if (kind === 'notice') {
    const { rows } = await sql<{ id: string; channels: NoticeChannel[] }>`
      select n.id, array(select d.channel from deliveries d where d.notice_id = n.id) as channels
      from notices n where n.user_id = ${userId} and n.id > ${after} order by n.id limit ${limit}`.execute(
      tx,
    );
    return rows.map((row) => ({ kind, ...row }));
  }
  const rows = await tx
    .selectFrom(kind === 'run' ? 'runs' : 'connection_flows')
    .select('id')
    .where('user_id', '=', userId)
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(({ id }) => ({ kind, id }));
}

/** Some of the user's runs with all that hangs on them: few enough for one short transaction. @returns how many there were. */
export async function deleteSomeRuns(tx: SystemTx, userId: string, limit: number): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    with doomed as (select id from runs where user_id = ${userId} limit ${limit}),
      keys as (delete from idempotency_keys k using doomed where k.run_id = doomed.id),
      gone as (delete from runs r using doomed where r.id = doomed.id returning 1)
    select count(*)::int as n from gone`.execute(tx);
  return rows[0]?.n ?? 0;
}

/**
 * The end: what is left of the user, and the user. From here on the foreign keys refuse what comes late, and the id may
 * start anew. Repeating it changes nothing.
 */
export async function finishErasure(
  tx: SystemTx,
  { erasureId, userId }: { erasureId: string; userId: string },
): Promise<void> {
  // What Composio told about them; a repetition is looked into as if it were new, and finds nobody.
  await tx.deleteFrom('webhook_events').where('named_user', '=', userId).execute();
  // An audit that stands at this user goes on from the user before: it looks at nobody twice whom it has settled alone.
  await sql`
    update audits set cursor = (select max(u.user_id) from users u where u.user_id < ${userId})
    where cursor = ${userId}`.execute(tx);
  await tx.deleteFrom('users').where('erasure_id', '=', erasureId).where('user_id', '=', userId).execute();
  await tx
    .updateTable('erasures')
    .set({ status: 'completed', finished_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', erasureId)
    .where('status', '=', 'running')
    .execute();
}
