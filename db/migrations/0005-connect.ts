/** A flow remembers the account that was refused although Composio calls it ACTIVE: that one must not satisfy it. Never edited after it landed. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table connection_flows add column refused_account_id text`.execute(db);
}
