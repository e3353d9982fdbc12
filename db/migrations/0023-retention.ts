/** What retention looks for by age. Never edited after it landed. */
import { type Kysely, sql } from 'kysely';

const CHANGES = `
create index runs_finished on runs (finished_at) where finished_at is not null;
create index notices_by_time on notices (created_at);
create index flows_ended on connection_flows (ended_at) where ended_at is not null;
`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(CHANGES).execute(db);
}
