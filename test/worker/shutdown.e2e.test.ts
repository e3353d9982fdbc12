/** SIGTERM to a worker process: not ready, then takes nothing new, then drained, then closed, in this order. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { asSystem } from '../../db/scope.ts';
import { listToolCalls } from '../../db/transcript.ts';
import { findFreePort } from '../../sandbox/free-port.ts';
import { send } from '../api/setup/api.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createTestNamespace } from '../setup/temporal.ts';
import { until } from '../setup/until.ts';
import { startWorkerProcess, type WorkerProcess } from '../setup/worker-process.ts';

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

const task = scripted([
  { toolCalls: [{ name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'once' } }] },
  { content: 'The end.' },
]);

test('is alive and not ready while it drains, begins nothing new, records what was sent, and exits with 0', async () => {
  const port = await findFreePort();
  const health = (path: string) => send(`http://127.0.0.1:${port}`, 'GET', path, {});
  worker = await startWorkerProcess(bellhop, {
    namespace,
    env: { WORKER_METRICS_PORT: String(port), TOOL_TIMEOUT: '40s' },
  });
  await worker.polls;
  expect((await health('/readyz')).status).toBe(200);
  await bellhop.putUser('alice');
  await bellhop.sandbox.seedAccount({ userId: 'alice', app: 'slack' });
  const barrier = randomUUID();
  await bellhop.sandbox.addFault({ match: { route: 'tools.execute' }, action: { type: 'hold', barrier } });
  const runId = await bellhop.start({ userId: 'alice', task, tools: ['SLACK_SEND_MESSAGE'] });
  await bellhop.sandbox.waitForBarrier(barrier);

  worker.signal('SIGTERM');
  await until('not ready', async () => (await health('/readyz')).status === 503);
  expect((await health('/healthz')).status).toBe(200);
  const late = await bellhop.start({ userId: 'alice', task, tools: ['SLACK_SEND_MESSAGE'] });
  await bellhop.sandbox.releaseBarrier(barrier);
  expect(await worker.exited, worker.tail()).toEqual({ code: 0, signal: null });

  const calls = await asSystem(bellhop.db, (tx) => listToolCalls(tx, runId));
  expect(calls.map(({ status }) => status)).toEqual(['done']);
  expect(await bellhop.sandbox.journal({ userId: 'alice' })).toHaveLength(1);
  // What came after the signal waits for another worker: the model was never asked for it.
  expect((await bellhop.run(late)).usage).toMatchObject({ modelCalls: 0, toolCalls: 0 });
  await expect(health('/healthz')).rejects.toThrow('ECONNREFUSED');
});
