/** Which connections to PostgreSQL stay open when nothing asks for them. */
import { expect, it } from 'vitest';
import { createDatabase } from '../../db/pool.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();

it('keeps four connections open, and lets the others go', async () => {
  const db = createDatabase({ url: the().url, name: 'idle', maxConnections: 8 });
  try {
    const clients = await Promise.all(Array.from({ length: 8 }, () => db.pool.connect()));
    for (const client of clients) client.release();
    expect(db.pool.totalCount).toBe(8);
    // The driver's ten seconds.
    await expect.poll(() => db.pool.totalCount, { timeout: 60_000, interval: 500 }).toBe(4);
    expect(db.pool.idleCount).toBe(4);
  } finally {
    await db.destroy();
  }
}, 90_000);
