/**
 * A deployment: SIGTERM to a worker with many calls on their way. It takes nothing new, lets what was sent finish (its grace
 * is the tool deadline and 5 s), writes it down and exits with 0; another worker goes on with the runs.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { expectNothingLost, judgeLoad, startLoad } from '../setup/load.ts';
import { createTestNamespace } from '../setup/temporal.ts';
import { startTakeover, startWorkerProcess, type WorkerProcess } from '../setup/worker-process.ts';

const TOOL_TIMEOUT_MS = 15_000;
const GRACE_MS = TOOL_TIMEOUT_MS + 5_000;
const RUNS = 30;

let bellhop: TestBellhop;
let namespace: string;
let worker: WorkerProcess | undefined;
// Each attempt has a stage of its own.
beforeEach(async () => {
  // Its own namespace: worker/main.ts makes Schedules with fixed ids.
  namespace = await createTestNamespace();
  bellhop = await startTestBellhop({ noWorker: true, namespace });
});
afterEach(async () => {
  await worker?.kill();
  await bellhop?.close();
});

test(
  'SIGTERM under load: nothing unknown, nothing failed, nothing sent twice, exit 0',
  { timeout: 360_000 },
  async () => {
    const route = { route: 'tools.execute' };
    // Five calls outlast the heartbeat timeout, so the worker must go on beating while it drains.
    await bellhop.sandbox.addFault({
      match: route,
      action: { type: 'latency', ms: 6_000 },
      skip: 10,
      times: 5,
    });
    await bellhop.sandbox.addFault({
      match: route,
      action: { type: 'latency', minMs: 1_000, maxMs: 3_000, seed: 1 },
    });
    worker = await startWorkerProcess(bellhop, { namespace, env: { TOOL_TIMEOUT: `${TOOL_TIMEOUT_MS}ms` } });
    await worker.polls;
    const load = await startLoad(bellhop, { runs: RUNS, turns: 2 });
    await bellhop.sandbox.waitForEffects(10, {}, 60_000);
    const inFlight = (await bellhop.sandbox.countRequests(route)) - 10;
    worker.signal('SIGTERM');
    const from = performance.now();
    expect(await worker.exited, worker.tail()).toEqual({ code: 0, signal: null });
    expect(performance.now() - from).toBeLessThan(GRACE_MS);
    expect(inFlight).toBeGreaterThan(0);
    const second = await startTakeover(bellhop, { namespace, settings: { toolTimeoutMs: TOOL_TIMEOUT_MS } });
    const judgement = await judgeLoad(bellhop, load, 180_000);
    await second.close();
    expectNothingLost(judgement, RUNS);
    expect(judgement).toMatchObject({ calls: { done: RUNS * 2 }, effects: RUNS * 2 });
    expect(await bellhop.sandbox.countRequests(route)).toBe(RUNS * 2);
  },
);
