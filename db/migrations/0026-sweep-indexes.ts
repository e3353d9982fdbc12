/**
 * The indexes of sweeps and gauges, in words that no other statement has (db/open-rows.ts). Those before it were also used, by
 * statistics of a quieter time, for single rows: each wake of a run read all that waited. Never edited after it landed.
 */
import { type Kysely, sql } from 'kysely';

const CHANGES = `
drop index runs_not_ended;
create index runs_not_ended on runs (updated_at) where coalesce(finished_at, 'infinity') = 'infinity';
drop index runs_open_by_status;
create index runs_open_by_status on runs (status) where coalesce(finished_at, 'infinity') = 'infinity';
drop index connection_flows_open_expiry;
create index connection_flows_open_expiry on connection_flows (expires_at) where (status || '') = 'open';
drop index connection_flows_clicked;
create index connection_flows_clicked on connection_flows (last_go_at) where (status || '') = 'open';
drop index flow_waiters_waiting;
create index flow_waiters_waiting on flow_waiters (app, created_at) where (state || '') = 'waiting';
drop index deliveries_pending;
create index deliveries_pending on deliveries (updated_at) where (status || '') = 'pending';
drop index deliveries_backlog;
create index deliveries_backlog on deliveries (channel, created_at) where (status || '') = 'pending';

-- What a user's runs wait for. Whole: half of it would again be read for a single row.
create index flow_waiters_by_user on flow_waiters (user_id);
`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(CHANGES).execute(db);
}
