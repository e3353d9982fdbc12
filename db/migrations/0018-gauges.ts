/** What operators watch, counted at most once in a while for all processes. Never edited after it landed. */
import { type Kysely, sql } from 'kysely';

const CHANGES = `
-- One row: what was counted last, and how long the counting took.
create table gauge_snapshots (
  id boolean primary key default true check (id),
  data jsonb not null,
  taken_at timestamptz not null,
  took_ms double precision not null
);
alter table gauge_snapshots enable row level security;
alter table gauge_snapshots force row level security;
grant select, insert, update, delete on gauge_snapshots to bellhop_system;
create policy gauge_snapshots_system on gauge_snapshots to bellhop_system using (true) with check (true);

-- Each holds only what is open: what is counted is never more than that, however much has ended.
create index runs_open_by_status on runs (status) where finished_at is null;
create index flow_waiters_waiting on flow_waiters (app, created_at) where state = 'waiting';
create index tool_calls_unknown on tool_calls (run_id) where status = 'unknown' and resolution is null;
create index deliveries_backlog on deliveries (channel, created_at) where status = 'pending';
`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(CHANGES).execute(db);
}
