/** Approvals of tool calls, edited arguments, resolutions of unknown outcomes. Never edited after it landed. */
import { type Kysely, sql } from 'kysely';

const CHANGES = `
alter table tool_calls
  add column edited_arguments text,
  add column resolution text,
  add column resolver text,
  add column resolved_at timestamptz,
  add column resolution_heard_at timestamptz;
create index tool_calls_resolved on tool_calls (resolved_at) where resolved_at is not null and resolution_heard_at is null;

-- One row per asking: when the account behind a call changes, what was approved is not what would run, and it is asked anew.
create table approvals (
  run_id text not null,
  call_id text not null,
  round integer not null,
  user_id text collate "C" not null references users on delete cascade,
  digest text not null,
  account_id text,
  status text not null default 'requested',
  requested_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  decided_at timestamptz,
  approver text,
  reason text,
  primary key (run_id, call_id, round),
  foreign key (run_id, call_id) references tool_calls (run_id, id) on delete cascade
);
create index approvals_decided on approvals (decided_at) where decided_at is not null;

alter table approvals enable row level security;
alter table approvals force row level security;
grant select, insert, update, delete on approvals to bellhop_system;
create policy approvals_system on approvals to bellhop_system using (true) with check (true);
grant select, insert, update, delete on approvals to bellhop_user;
create policy approvals_user on approvals to bellhop_user
  using (user_id = current_setting('bellhop.user_id', true))
  with check (user_id = current_setting('bellhop.user_id', true));
`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(CHANGES).execute(db);
}
