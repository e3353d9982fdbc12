/**
 * Gives the space of deleted rows back: to the tables for new rows, and to the disk what is free at their ends. As the
 * tables' owner, for roles cannot; on a connection of its own, because it takes as long as it takes.
 */
import type { Database } from './pool.ts';

/** Of the largest table after the first pass over years of rows. */
const TIMEOUT_MS = 6 * 3_600_000;

export async function vacuum(db: Database, tables: readonly string[]): Promise<void> {
  const client = await db.pool.connect();
  try {
    await client.query('set statement_timeout = 0');
    for (const table of tables) {
      // The driver's own time-out is the pool's, seconds; PostgreSQL's types know of no other.
      const statement = { text: `vacuum (analyze) ${table}`, query_timeout: TIMEOUT_MS };
      await client.query(statement);
    }
  } finally {
    // It has lost its time-outs: not for anybody else.
    client.release(true);
  }
}
