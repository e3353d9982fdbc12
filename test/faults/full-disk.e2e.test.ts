/**
 * The disk of PostgreSQL is full for a while, on a small disk of its own (tmpfs, which only root may mount). Writes fail, PostgreSQL
 * itself may give up; when there is room again everything goes on, and ledger and journal agree.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { migrateToLatest } from '../../db/migrator.ts';
import { type RunningPostgres, startPostgres } from '../../sandbox/postgres.ts';
import { makeTemporaryFolder } from '../../sandbox/temporary-folder.ts';
import { startApiProcess } from '../setup/api-process.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { expectNothingLost, judgeLoad, startLoad } from '../setup/load.ts';
import { until } from '../setup/until.ts';

/** A cluster is some 60 MB, with its log; what remains is soon full. */
const DISK_MB = 160;
const FULL_MS = 5_000;
const FULL_WITHIN_MS = 120_000;
const RUNS = 12;
const TURNS = 8;

const releases: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).toReversed()) await release();
});

/** Null where nobody lets us. */
async function mountDisk(): Promise<string | null> {
  const folder = await makeTemporaryFolder('full-disk');
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m,mode=755`, 'tmpfs', disk]);
  releases.push(() => rmSync(folder, { recursive: true, force: true }));
  if (status !== 0) return null;
  // The server's own user goes through it.
  chmodSync(folder, 0o755);
  releases.push(() => void spawnSync('umount', ['-l', disk]));
  return disk;
}

/** Takes what is left, to the last byte. */
async function fill(file: string): Promise<number> {
  const handle = await open(file, 'w');
  let taken = 0;
  try {
    for (const size of [1024 * 1024, 4 * 1024, 512]) {
      const block = Buffer.alloc(size, 1);
      for (;;) {
        const { bytesWritten } = await handle.write(block).catch(() => ({ bytesWritten: 0 }));
        if (bytesWritten === 0) break;
        taken += bytesWritten;
      }
    }
  } finally {
    await handle.close().catch(() => undefined);
  }
  return taken;
}

test(
  'a full disk loses nothing and doubles nothing, and callers are told to come later',
  { timeout: 600_000 },
  async (context) => {
    const disk = await mountDisk();
    if (disk === null) return context.skip('only root may mount a disk');
    const start = (port?: number): Promise<RunningPostgres> =>
      startPostgres({
        place: { dataDir: join(disk, 'pg') },
        log: () => undefined,
        ...(port === undefined ? {} : { port }),
      });
    let postgres = await start();
    releases.push(() => postgres.stop());
    await migrateToLatest(postgres.url);
    const bellhop: TestBellhop = await startTestBellhop({
      databaseUrl: postgres.url,
      settings: { toolTimeoutMs: 10_000 },
    });
    releases.push(() => bellhop.close());
    const api = await startApiProcess(bellhop);
    releases.push(() => api.kill());
    await bellhop.sandbox.addFault({
      match: { route: 'tools.execute' },
      action: { type: 'latency', minMs: 300, maxMs: 1_500, seed: 1 },
    });
    const load = await startLoad(bellhop, { runs: RUNS, turns: TURNS });
    await bellhop.sandbox.waitForEffects(RUNS, {}, 60_000);

    const filler = join(disk, 'filler');
    expect(await fill(filler)).toBeGreaterThan(0);
    const before = (await bellhop.sandbox.journal({ writesOnly: true })).length;
    expect(before).toBeLessThan(RUNS * TURNS);
    // What PostgreSQL has room for within what it has already is soon used up.
    const body = { metadata: { note: 'x'.repeat(8_000) } };
    const statuses: number[] = [];
    const put = async (): Promise<void> => {
      const n = statuses.push(0) - 1;
      statuses[n] = (await api.call('PUT', `/v1/users/user-${n}`, { body })).status;
    };
    const deadline = Date.now() + FULL_WITHIN_MS;
    for (let over = deadline; Date.now() < over;) {
      await Promise.all(Array.from({ length: 20 }, put));
      await fill(filler);
      if (over === deadline && statuses.includes(503)) over = Date.now() + FULL_MS;
    }
    expect(new Set(statuses)).toContain(503);
    // What was not refused has happened.
    const kept = statuses.flatMap((status, n) => (status === 503 ? [] : [n]));
    await rm(filler);

    // PostgreSQL ends itself when it cannot write its log; whoever looks after it starts it again.
    const ended = await Promise.race([postgres.exited.then(() => true), delay(1_000).then(() => false)]);
    if (ended) postgres = await start(postgres.port);
    expectNothingLost(await judgeLoad(bellhop, load, 300_000), RUNS);
    await until('the API is ready', async () => (await api.call('GET', '/readyz')).status === 200);
    for (const n of kept) {
      expect((await api.call('GET', `/v1/users/user-${n}`)).status, `user-${n}, ${statuses[n]}`).toBe(200);
    }
    expect((await api.call('PUT', '/v1/users/user-afterwards', { body })).status).toBe(201);
  },
);
