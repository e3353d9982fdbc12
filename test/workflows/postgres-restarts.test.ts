/**
 * PostgreSQL is torn down without a checkpoint (an immediate shutdown: every connection breaks, every open transaction is gone)
 * and recovers, every few seconds under load. The ledger and the sandbox's journal must agree afterwards.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { migrateToLatest } from '../../db/migrator.ts';
import { type RunningPostgres, startPostgres } from '../../sandbox/postgres.ts';
import { makeTemporaryFolder } from '../../sandbox/temporary-folder.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { expectNothingLost, judgeLoad, startLoad } from '../setup/load.ts';

const RUNS = 20;
const TURNS = 12;
const RESTARTS = 4;

let start: (port?: number) => Promise<RunningPostgres>;
let postgres: RunningPostgres;
let bellhop: TestBellhop;
// Each attempt has a stage of its own.
beforeEach(async () => {
  // Not the tests' own cluster: this one keeps what it has committed.
  const dataDir = await makeTemporaryFolder('postgres-restarts');
  start = (port) =>
    startPostgres({ place: { dataDir }, log: () => undefined, ...(port === undefined ? {} : { port }) });
  postgres = await start();
  await migrateToLatest(postgres.url);
  bellhop = await startTestBellhop({ databaseUrl: postgres.url, settings: { toolTimeoutMs: 10_000 } });
});
afterEach(async () => {
  await bellhop.close();
  await postgres.stop();
});

async function restart(): Promise<void> {
  const { url, port, pid, exited } = postgres;
  process.kill(pid, 'SIGQUIT');
  await exited;
  postgres = await start(port);
  expect(postgres.url).toBe(url);
}

test(
  'every run ends once, nothing happens twice, the ledger says what the journal says',
  { timeout: 600_000 },
  async () => {
    await bellhop.sandbox.addFault({
      match: { route: 'tools.execute' },
      action: { type: 'latency', minMs: 200, maxMs: 1_500, seed: 1 },
    });
    const load = await startLoad(bellhop, { runs: RUNS, turns: TURNS });
    await bellhop.sandbox.waitForEffects(1, {}, 60_000);
    let inTheMiddle = 0;
    for (let i = 0; i < RESTARTS; i += 1) {
      await delay(5_000);
      const { length } = await bellhop.sandbox.journal({ writesOnly: true });
      if (length < RUNS * TURNS) inTheMiddle += 1;
      await restart();
    }
    expect(inTheMiddle).toBeGreaterThan(0);
    const judgement = await judgeLoad(bellhop, load, 300_000);
    expectNothingLost(judgement, RUNS);
  },
);
