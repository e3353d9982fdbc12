/**
 * What is over and older than its time, one bounded batch per call: each is a transaction of its own that ends within a
 * moment. Nothing goes that something unfinished still needs. Spans users, so all of this runs as the system role.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Schema } from './schema.ts';
import type { SystemTx } from './scope.ts';

export type Batch = { readonly olderThanMs: number; readonly limit: number };
/** @returns how many rows went, without those that hung on them. Less than `limit`: there are no more. */
export type DeleteBatch = (tx: SystemTx, batch: Batch) => Promise<number>;

const before = ({ olderThanMs }: Batch): RawBuilder<unknown> =>
  sql`(now() - ${olderThanMs}::float8 * interval '1 millisecond')`;

async function countOf(tx: SystemTx, statement: RawBuilder<unknown>): Promise<number> {
  const { rows } = await (statement as RawBuilder<{ n: number }>).execute(tx);
  return rows[0]?.n ?? 0;
}

/** Runs of threads in which nothing has run since, oldest first, with their messages, calls, events and waiters. */
export const deleteOldRuns: DeleteBatch = (tx, batch) =>
  countOf(
    tx,
    sql`with old as (
        select r.id from runs r join threads t on t.user_id = r.user_id and t.id = r.thread_id
        where r.finished_at < ${before(batch)} and t.active_run_id is null
          and not exists (
            select 1 from runs later where later.user_id = r.user_id and later.thread_id = r.thread_id
              and (later.finished_at is null or later.finished_at >= ${before(batch)}))
        order by r.finished_at limit ${batch.limit}
        -- A run that begins in the thread at this moment holds it; the thread is then in use.
        for update of t skip locked
      ), gone as (delete from runs r using old where r.id = old.id returning 1)
      select count(*)::int as n from gone`,
  );

/** Threads whose runs are all gone. */
export const deleteEmptyThreads: DeleteBatch = (tx, batch) =>
  countOf(
    tx,
    sql`with empty as (
        select t.user_id, t.id from threads t
        where t.created_at < ${before(batch)} and t.active_run_id is null
          and not exists (select 1 from runs r where r.user_id = t.user_id and r.thread_id = t.id)
        limit ${batch.limit} for update of t skip locked
      ), gone as (
        delete from threads t using empty where t.user_id = empty.user_id and t.id = empty.id returning 1)
      select count(*)::int as n from gone`,
  );

/** Events of runs that have ended; the run stays. Counted in runs. */
export const deleteOldEvents: DeleteBatch = (tx, batch) =>
  countOf(
    tx,
    sql`with old as (
        select r.id from runs r where r.finished_at < ${before(batch)}
          and exists (select 1 from run_events e where e.run_id = r.id)
        limit ${batch.limit}
      ), gone as (delete from run_events e using old where e.run_id = old.id returning e.run_id)
      select count(distinct run_id)::int as n from gone`,
  );

/**
 * Notices that are delivered or given up. One whose cause is still there (an open episode, a run or a flow that has not
 * ended) stays: its row is what keeps it from being told again.
 */
export const deleteOldNotices: DeleteBatch = (tx, batch) =>
  countOf(
    tx,
    sql`with old as (
        select n.id from notices n where n.created_at < ${before(batch)}
          and not exists (select 1 from deliveries d where d.notice_id = n.id and d.status = 'pending')
          and not exists (select 1 from connection_episodes e
            where e.user_id = n.user_id and e.app = n.app and e.closed_at is null)
          and not exists (select 1 from runs r where r.id = n.run_id and r.finished_at is null)
          and not exists (select 1 from connection_flows f where f.id = n.flow_id and f.status = 'open')
        limit ${batch.limit}
      ), gone as (delete from notices n using old where n.id = old.id returning 1)
      select count(*)::int as n from gone`,
  );

/** Ended flows, but for those whose refused accounts still wait for their deletion at Composio, or that a run waits for. */
export const deleteOldFlows: DeleteBatch = (tx, batch) =>
  countOf(
    tx,
    sql`with old as (
        select f.id from connection_flows f where f.ended_at < ${before(batch)} and f.status <> 'open'
          and not exists (select 1 from connection_attempts a where a.flow_id = f.id
            and a.account_id is not null and a.cleaned_at is null and a.status <> 'accepted')
          and not exists (select 1 from flow_waiters w where w.flow_id = f.id and w.state = 'waiting')
        limit ${batch.limit}
      ), gone as (delete from connection_flows f using old where f.id = old.id returning 1)
      select count(*)::int as n from gone`,
  );

/** Of tables whose rows nothing else speaks for: by their age alone. The names are ours, never a caller's. */
function byAge(table: keyof Schema, { key, time }: { key: string; time: string }): DeleteBatch {
  return (tx, batch) =>
    countOf(
      tx,
      sql`with old as (
          select ${sql.ref(key)} from ${sql.table(table)} where ${sql.ref(time)} < ${before(batch)} limit ${batch.limit}
        ), gone as (
          delete from ${sql.table(table)} t using old where ${sql.ref(`t.${key}`)} = ${sql.ref(`old.${key}`)} returning 1)
        select count(*)::int as n from gone`,
    );
}

export const deleteOldEpisodes = byAge('connection_episodes', { key: 'id', time: 'closed_at' });

export const deleteOldAudits: DeleteBatch = (tx, batch) =>
  countOf(
    tx,
    sql`with old as (
        select id from audits where finished_at < ${before(batch)} and status <> 'running' limit ${batch.limit}
      ), gone as (delete from audits a using old where a.id = old.id returning 1)
      select count(*)::int as n from gone`,
  );

/** Keys that nobody may repeat any more (idempotency.ts). */
export const deleteOldIdempotencyKeys: DeleteBatch = (tx, batch) =>
  countOf(
    tx,
    sql`with old as (
        select owner, key from idempotency_keys where created_at < ${before(batch)} limit ${batch.limit}
      ), gone as (
        delete from idempotency_keys k using old where k.owner = old.owner and k.key = old.key returning 1)
      select count(*)::int as n from gone`,
  );

/** Settings links that no cookie is left of (api/portal/portal-sessions.ts). */
export const deleteOldPortalLinks = byAge('portal_links', { key: 'link', time: 'used_at' });

/** Sessions that would be over by now without having been ended (api/console/console-sessions.ts). */
export const deleteOldEndedSessions = byAge('ended_sessions', { key: 'session', time: 'ended_at' });
