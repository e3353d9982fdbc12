/**
 * What operators watch of the rows: counts by status, app and channel, never a user. Counted at most once in a while for all
 * processes together, so that any of them answers the same and a scrape costs one read of one row.
 */
import { sql } from 'kysely';
import { OPEN_RUN, PENDING_DELIVERY, WAITING_RUN } from './open-rows.ts';
import type { Database } from './pool.ts';
import { COMPOSIO_BUDGET } from './request-budget.ts';
import { type SystemTx, asSystem } from './scope.ts';

export type Gauges = {
  /** Not ended, by status. */
  readonly runs: Readonly<Record<string, number>>;
  /** In line for a place among their user's runs. */
  readonly queued: number;
  /** Per app: runs that wait for it, and since when the first of them. */
  readonly waiting: Readonly<Record<string, { readonly runs: number; readonly longestSeconds: number }>>;
  /** Open connection flows by app. */
  readonly flows: Readonly<Record<string, number>>;
  /** Calls of runs that have not ended whose outcome nobody knows. */
  readonly unknownCalls: number;
  /** By channel. */
  readonly deliveries: Readonly<Record<string, { readonly pending: number; readonly oldestSeconds: number }>>;
  readonly webhookEvents: number;
  /** The planner's estimate: to count millions takes seconds. */
  readonly users: number;
  readonly audit: AuditGauges | null;
  readonly auditCompletedAt: number | null;
  /** Of the Composio budget, microseconds: what is leased ahead of the clock, and how long nothing leaves. */
  readonly budget: { readonly debtUs: number; readonly pausedUs: number };
};
/** Of the audit that runs. Instants are seconds since 1970. */
export type AuditGauges = {
  readonly usersScanned: number;
  readonly broken: number;
  readonly notified: number;
  readonly skipped: number;
  readonly composioRequests: number;
  readonly startedAt: number;
};
export type GaugeSnapshot = { readonly gauges: Gauges; readonly ageSeconds: number };

/** Prometheus asks every 15 s or more seldom: each scrape sees figures of its own time. */
const FRESH_MS = 10_000;
/** Counting takes at most this share of the database's time: what took a second is not counted again for 20 s. */
const SHARE = 1 / 20;
/** A database that is so busy that it cannot count in this time should not. */
const COUNT_TIMEOUT = '5s';

/** @returns null when nobody has counted yet, and somebody else is at it. */
export async function readGauges(db: Database, freshMs = FRESH_MS): Promise<GaugeSnapshot | null> {
  const known = await asSystem(db, readSnapshot);
  if (known && known.ageSeconds * 1_000 < Math.max(freshMs, known.tookMs / SHARE)) return known;
  return (await asSystem(db, takeSnapshot)) ?? known;
}

async function readSnapshot(tx: SystemTx): Promise<(GaugeSnapshot & { tookMs: number }) | null> {
  const { rows } = await sql<{ data: Gauges; age: number; took_ms: number }>`
    select data, took_ms, extract(epoch from clock_timestamp() - taken_at)::float8 as age from gauge_snapshots
  `.execute(tx);
  const row = rows[0];
  return row ? { gauges: row.data, ageSeconds: Math.max(0, row.age), tookMs: row.took_ms } : null;
}

/** @returns null when another process counts at this moment. */
async function takeSnapshot(tx: SystemTx): Promise<GaugeSnapshot | null> {
  const { rows } = await sql<{ ours: boolean }>`
    select pg_try_advisory_xact_lock(hashtextextended('bellhop.gauges', 0)) as ours
  `.execute(tx);
  if (rows[0]?.ours !== true) return null;
  await sql.raw(`set local statement_timeout = '${COUNT_TIMEOUT}'`).execute(tx);
  const began = performance.now();
  const counted = await sql<{ data: Gauges }>`${sql.raw(COUNT)}`.execute(tx);
  const gauges = counted.rows[0]?.data;
  if (!gauges) return null;
  await sql`
    insert into gauge_snapshots (data, taken_at, took_ms)
    values (${JSON.stringify(gauges)}::jsonb, clock_timestamp(), ${performance.now() - began})
    on conflict (id) do update set data = excluded.data, taken_at = excluded.taken_at, took_ms = excluded.took_ms
  `.execute(tx);
  return { gauges, ageSeconds: 0 };
}

/** Each part reads an index of open rows only, but for the two that are one row. */
export const COUNT = `
select jsonb_build_object(
  'runs', (select coalesce(jsonb_object_agg(status, n), '{}') from
    (select status, count(*) as n from runs where ${OPEN_RUN} group by status) r),
  'queued', (select count(*) from runs where queued_at is not null and finished_at is null),
  'waiting', (select coalesce(jsonb_object_agg(app, jsonb_build_object('runs', n, 'longestSeconds', s)), '{}') from
    (select app, count(*) as n, extract(epoch from clock_timestamp() - min(created_at))::float8 as s
      from flow_waiters where ${WAITING_RUN} group by app) w),
  'flows', (select coalesce(jsonb_object_agg(app, n), '{}') from
    (select app, count(*) as n from connection_flows where status = 'open' group by app) f),
  'unknownCalls', (select count(*) from tool_calls c where c.status = 'unknown' and c.resolution is null
    and exists (select from runs r where r.id = c.run_id and r.finished_at is null)),
  'deliveries', (select coalesce(jsonb_object_agg(channel, jsonb_build_object('pending', n, 'oldestSeconds', s)), '{}') from
    (select channel, count(*) as n, extract(epoch from clock_timestamp() - min(created_at))::float8 as s
      from deliveries where ${PENDING_DELIVERY} group by channel) d),
  'webhookEvents', (select count(*) from webhook_events where settled_at is null),
  'users', (select greatest(reltuples, 0)::float8 from pg_class where oid = 'users'::regclass),
  'audit', (select jsonb_build_object('usersScanned', users_scanned, 'broken', broken, 'notified', notified,
      'skipped', skipped, 'composioRequests', composio_requests, 'startedAt', extract(epoch from started_at)::float8)
    from audits where status = 'running'),
  'auditCompletedAt', (select extract(epoch from max(finished_at))::float8 from audits where status = 'completed'),
  'budget', (select jsonb_build_object('debtUs', greatest(0, full_at_us - t.us), 'pausedUs', greatest(0, paused_until_us - t.us))
    from request_budgets, (select (extract(epoch from clock_timestamp()) * 1000000)::bigint as us) t
    where name = '${COMPOSIO_BUDGET}')
) as data`;
