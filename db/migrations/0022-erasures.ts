/**
 * Erasures of users. While one runs, the user's row is its tombstone: no run, flow or attempt of that user begins, and
 * nothing more is told about them. After it the row is gone, and every foreign key refuses what comes late.
 * Never edited after it landed.
 */
import { type Kysely, sql } from 'kysely';

const CHANGES = `
-- Without the user: what is left of an erasure says nothing of whom.
create table erasures (
  id text primary key,
  status text not null default 'running',
  report jsonb not null default '{}',
  started_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz
);
create index erasures_running on erasures (started_at) where status = 'running';
alter table erasures enable row level security;
alter table erasures force row level security;
grant select, insert, update on erasures to bellhop_system;
create policy erasures_system on erasures to bellhop_system using (true) with check (true);

alter table users add column erasure_id text;
create unique index users_erasing on users (erasure_id) where erasure_id is not null;

-- The lock is that of the foreign key, taken before it is read: an erasure that begins at the same moment is either seen
-- here, or waits for this transaction and then sees its row.
create function refuse_for_erasing_user() returns trigger language plpgsql
  set search_path = public, pg_temp as $$
declare
  erasure text;
begin
  select u.erasure_id into erasure from users u where u.user_id = new.user_id for key share;
  if erasure is not null then
    raise exception 'the user is being erased' using errcode = 'BH409';
  end if;
  return new;
end
$$;
create function skip_for_erasing_user() returns trigger language plpgsql
  set search_path = public, pg_temp as $$
declare
  erasure text;
begin
  select u.erasure_id into erasure from users u where u.user_id = new.user_id for key share;
  if erasure is not null then
    return null;
  end if;
  return new;
end
$$;
create trigger runs_not_while_erasing before insert on runs
  for each row execute function refuse_for_erasing_user();
create trigger flows_not_while_erasing before insert on connection_flows
  for each row execute function refuse_for_erasing_user();
create trigger attempts_not_while_erasing before insert on connection_attempts
  for each row execute function refuse_for_erasing_user();
-- Written beside other things that must be written: skipped, as if it had been told already.
create trigger notices_not_while_erasing before insert on notices
  for each row execute function skip_for_erasing_user();
create trigger episodes_not_while_erasing before insert on connection_episodes
  for each row execute function skip_for_erasing_user();

-- A user's row goes with one look into an index per table. What belongs to a run, a call or a notice goes with that, and
-- needs no way of its own to the user: without an index it was a pass over the whole table, and with one it costs each write.
alter table messages drop constraint messages_user_id_fkey;
alter table tool_calls drop constraint tool_calls_user_id_fkey;
alter table approvals drop constraint approvals_user_id_fkey;
alter table run_events drop constraint run_events_user_id_fkey;
alter table flow_waiters drop constraint flow_waiters_user_id_fkey;
alter table deliveries drop constraint deliveries_user_id_fkey;
create index notices_by_user on notices (user_id);
create index connection_flows_by_user on connection_flows (user_id);
create index connection_episodes_by_user on connection_episodes (user_id);

-- Where an audit that is over stood is a user's id, and of no use to anybody.
set local role bellhop_system;
update audits set cursor = null where status <> 'running' and cursor is not null;
reset role;
`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(CHANGES).execute(db);
}
