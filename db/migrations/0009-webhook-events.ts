/**
 * What Composio's webhook has told: to know a repetition, and until it was looked into. And the newest end of a user's
 * episodes, which who wants to open one must know. Never edited after it landed.
 */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `create table webhook_events (
  id text collate "C" primary key,
  type text not null,
  account_id text,
  named_user text,
  received_at timestamptz not null default clock_timestamp(),
  tries integer not null default 0,
  settled_at timestamptz,
  outcome text
);
create index webhook_events_pending on webhook_events (tries, received_at) where settled_at is null;
create index webhook_events_settled on webhook_events (received_at) where settled_at is not null;
create index connection_episodes_closed on connection_episodes (user_id, app, closed_at) where closed_at is not null;
alter table webhook_events enable row level security;
alter table webhook_events force row level security;
grant select, insert, update, delete on webhook_events to bellhop_system;
create policy webhook_events_system on webhook_events to bellhop_system using (true) with check (true);`,
    )
    .execute(db);
}
