/**
 * The Temporal server is killed under load and started again on the same file, twice; runs are being started meanwhile. The
 * worker process is the same all the time: it must find the server again by itself.
 */
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { standardErrorOutput } from '../../sandbox/progress.ts';
import { resolveTemporalBinary } from '../../sandbox/temporal/binary.ts';
import { type RunningTemporal, startTemporal } from '../../sandbox/temporal/server.ts';
import { makeTemporaryFolder } from '../../sandbox/temporary-folder.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { expectNothingLost, judgeLoad, startLoad } from '../setup/load.ts';
import { startWorkerProcess, type WorkerProcess } from '../setup/worker-process.ts';

const RUNS = 10;

let start: (port?: number) => Promise<RunningTemporal>;
let temporal: RunningTemporal;
let bellhop: TestBellhop;
let worker: WorkerProcess | undefined;
// Each attempt has a stage of its own.
beforeEach(async () => {
  const { path } = await resolveTemporalBinary({ env: process.env, output: standardErrorOutput() });
  const dbFile = join(await makeTemporaryFolder('temporal-killed'), 'temporal.db');
  start = (port) =>
    startTemporal({
      binary: path,
      store: { dbFile },
      ui: false,
      namespace: 'default',
      log: () => undefined,
      ...(port === undefined ? {} : { port }),
    });
  temporal = await start();
  bellhop = await startTestBellhop({ noWorker: true, temporalAddress: temporal.address });
});
afterEach(async () => {
  await worker?.kill();
  await bellhop?.close();
  await temporal?.stop();
});

async function killAndStartAgain(): Promise<void> {
  const { address, port, pid, exited } = temporal;
  process.kill(pid, 'SIGKILL');
  await exited;
  temporal = await start(port);
  expect(temporal.address).toBe(address);
}

test('every accepted run ends once, and nothing happens twice', { timeout: 480_000 }, async () => {
  await bellhop.sandbox.addFault({
    match: { route: 'tools.execute' },
    action: { type: 'latency', minMs: 100, maxMs: 800, seed: 1 },
  });
  worker = await startWorkerProcess(bellhop, {
    namespace: 'default',
    temporalAddress: temporal.address,
    env: { TOOL_TIMEOUT: '10s' },
  });
  const first = await startLoad(bellhop, { runs: RUNS, turns: 3 });
  await bellhop.sandbox.waitForEffects(RUNS / 2, {}, 60_000);
  // The starts of the second half meet a server that is not there.
  const [second] = await Promise.all([startLoad(bellhop, { runs: RUNS, turns: 3 }), killAndStartAgain()]);
  await bellhop.sandbox.waitForEffects(RUNS * 3, {}, 120_000);
  await killAndStartAgain();
  const judgement = await judgeLoad(bellhop, { runIds: [...first.runIds, ...second.runIds] }, 120_000);
  expectNothingLost(judgement, RUNS * 2);
  // The worker lived, and so did its calls: each has an outcome.
  expect(judgement).toMatchObject({ calls: { done: RUNS * 2 * 3 }, effects: RUNS * 2 * 3 });
});
