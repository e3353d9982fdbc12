/** An account that was refused although Composio calls it ACTIVE is remembered beyond the flow that asks for another one. Never edited after it landed. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table connections add column refused_at timestamptz`.execute(db);
}
