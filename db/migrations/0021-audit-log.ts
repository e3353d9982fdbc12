/**
 * What operators and administrators did. The product's roles may add to it and read it, and nothing else; a trigger keeps
 * the tables' owner from changing it by accident. Never edited after it landed.
 */
import { type Kysely, sql } from 'kysely';

const CHANGES = `
create table audit_log (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  key_id text not null,
  key_name text,
  action text not null,
  details jsonb not null default '{}',
  request_id text not null
);
-- Whom it was about, and who decided, by name: what is personal goes with its user, the entry stays.
create table audit_log_people (
  entry_id bigint primary key references audit_log,
  user_id text collate "C" not null references users on delete cascade,
  actor text
);
create index audit_log_people_by_user on audit_log_people (user_id);

create function refuse_change() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
  raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege';
end
$$;
create trigger audit_log_append_only before update or delete or truncate on audit_log
  for each statement execute function refuse_change();

alter table audit_log enable row level security;
alter table audit_log force row level security;
grant select, insert on audit_log to bellhop_system;
create policy audit_log_system on audit_log to bellhop_system using (true) with check (true);

alter table audit_log_people enable row level security;
alter table audit_log_people force row level security;
grant select, insert on audit_log_people to bellhop_system;
create policy audit_log_people_system on audit_log_people to bellhop_system using (true) with check (true);
grant select on audit_log_people to bellhop_user;
create policy audit_log_people_user on audit_log_people to bellhop_user
  using (user_id = current_setting('bellhop.user_id', true))
  with check (user_id = current_setting('bellhop.user_id', true));
`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(CHANGES).execute(db);
}
