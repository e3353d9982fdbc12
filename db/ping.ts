/** Whether the database answers at all. Needs no role and reads no table. */
import { sql } from 'kysely';
import type { Database } from './pool.ts';

export async function pingDatabase(db: Database): Promise<void> {
  await sql`select 1`.execute(db);
}
