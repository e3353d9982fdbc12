/**
 * What sealed cookies cannot say of themselves: which browser a settings link belongs to, and which sessions of the console
 * were ended. Digests only: no row opens anything. Never edited after it landed.
 */
import { type Kysely, sql } from 'kysely';

const CHANGES = `
-- The first browser that came with a link's cookie; the link is nobody else's from then on.
create table portal_links (
  link bytea primary key,
  user_id text collate "C" not null references users on delete cascade,
  session bytea not null,
  used_at timestamptz not null default clock_timestamp()
);
create index portal_links_by_user on portal_links (user_id);
create index portal_links_by_time on portal_links (used_at);
alter table portal_links enable row level security;
alter table portal_links force row level security;
grant select, insert, update, delete on portal_links to bellhop_system, bellhop_user;
create policy portal_links_system on portal_links to bellhop_system using (true) with check (true);
create policy portal_links_user on portal_links to bellhop_user
  using (user_id = current_setting('bellhop.user_id', true))
  with check (user_id = current_setting('bellhop.user_id', true));

create table ended_sessions (
  session bytea primary key,
  ended_at timestamptz not null default clock_timestamp()
);
create index ended_sessions_by_time on ended_sessions (ended_at);
alter table ended_sessions enable row level security;
alter table ended_sessions force row level security;
grant select, insert, delete on ended_sessions to bellhop_system;
create policy ended_sessions_system on ended_sessions to bellhop_system using (true) with check (true);
`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(CHANGES).execute(db);
}
