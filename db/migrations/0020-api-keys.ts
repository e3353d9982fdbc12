/** API keys, by their digests. Never edited after it landed. */
import { type Kysely, sql } from 'kysely';

const CHANGES = `
create table api_keys (
  id text primary key,
  name text not null,
  scopes text[] not null,
  key_hash bytea not null unique,
  created_at timestamptz not null default clock_timestamp(),
  last_used_at timestamptz
);
create index api_keys_by_time on api_keys (created_at desc, id desc);

alter table api_keys enable row level security;
alter table api_keys force row level security;
grant select, insert, update, delete on api_keys to bellhop_system;
create policy api_keys_system on api_keys to bellhop_system using (true) with check (true);
`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(CHANGES).execute(db);
}
