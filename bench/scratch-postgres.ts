/** A PostgreSQL of its own with our schema, for benches that need nothing else. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrateToLatest } from '../db/migrator.ts';
import { startPostgres } from '../sandbox/postgres.ts';

export async function openScratchPostgres() {
  const folder = mkdtempSync(join(tmpdir(), 'bellhop-bench-'));
  const postgres = await startPostgres({
    place: { dataDir: join(folder, 'postgres') },
    log: () => undefined,
  });
  await migrateToLatest(postgres.url);
  return {
    ...postgres,
    close: async () => {
      await postgres.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
