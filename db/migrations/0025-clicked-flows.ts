/** Open flows by their last click: those that are polled (db/clicked-flows.ts). Never edited after it landed. */
import { type Kysely, sql } from 'kysely';

const CHANGES = `
create index connection_flows_clicked on connection_flows (last_go_at) where status = 'open';
`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(CHANGES).execute(db);
}
