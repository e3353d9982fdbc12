/** Which runs of a user are at work, and which wait for their turn. Never edited after it landed. */
import { type Kysely, sql } from 'kysely';

const CHANGES = `
alter table runs
  add column admitted_at timestamptz,
  add column queued_at timestamptz;
-- What runs already is at work.
update runs set admitted_at = started_at where finished_at is null;
create index runs_open_by_user on runs (user_id) where finished_at is null;
create index runs_queued on runs (user_id, queued_at, id) where queued_at is not null and finished_at is null;
`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(CHANGES).execute(db);
}
