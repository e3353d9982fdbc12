/** Users that an audit could not look at. Never edited after it landed. */
import { type Kysely, sql } from 'kysely';

const CHANGES = `
create table audit_skips (
  audit_id text not null references audits on delete cascade,
  user_id text collate "C" not null references users on delete cascade,
  reason text not null,
  skipped_at timestamptz not null default clock_timestamp(),
  primary key (audit_id, user_id)
);
-- For the cascade from users.
create index audit_skips_by_user on audit_skips (user_id);

alter table audit_skips enable row level security;
alter table audit_skips force row level security;
grant select, insert, update, delete on audit_skips to bellhop_system;
create policy audit_skips_system on audit_skips to bellhop_system using (true) with check (true);
grant select, insert, update, delete on audit_skips to bellhop_user;
create policy audit_skips_user on audit_skips to bellhop_user
  using (user_id = current_setting('bellhop.user_id', true))
  with check (user_id = current_setting('bellhop.user_id', true));
`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(CHANGES).execute(db);
}
