/** Request budgets: one row per budget that all processes share. Never edited after it landed. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // Half-empty pages: each lease is an update of the same row, and stays on its page.
  await sql
    .raw(
      `create table request_budgets (
  name text collate "C" primary key,
  full_at_us bigint not null default 0,
  paused_until_us bigint not null default 0,
  flows_trickle_us bigint not null default 0,
  audit_trickle_us bigint not null default 0,
  granted integer not null default 0,
  asked_at_us bigint not null default 0
) with (fillfactor = 50);
insert into request_budgets (name) values ('composio');
alter table request_budgets enable row level security;
alter table request_budgets force row level security;
grant select, insert, update, delete on request_budgets to bellhop_system;
create policy request_budgets_system on request_budgets to bellhop_system using (true) with check (true);`,
    )
    .execute(db);
}
