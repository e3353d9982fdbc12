/** An error that nobody caught: the process must not live on in a state that nobody knows; whoever supervises it starts a new one. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type ApiProcess, startApiProcess } from '../setup/api-process.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createTestNamespace } from '../setup/temporal.ts';
import { startWorkerProcess, type WorkerProcess } from '../setup/worker-process.ts';

/** On a signal that means nothing to it, when the process is at work. */
const CODE = "process.once('SIGWINCH',()=>{Promise.reject(new Error('nobody caught this'))})";
const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(CODE)}` };

let bellhop: TestBellhop;
let namespace: string;
let worker: WorkerProcess | undefined;
let api: ApiProcess | undefined;
beforeAll(async () => {
  // Its own namespace: worker/main.ts makes Schedules with fixed ids.
  namespace = await createTestNamespace();
  bellhop = await startTestBellhop({ noWorker: true, namespace });
});
afterEach(async () => {
  await worker?.kill();
  await api?.kill();
});
afterAll(() => bellhop?.close());

test('a promise that is rejected and not caught ends the worker with a code that is not 0, and says why', async () => {
  worker = await startWorkerProcess(bellhop, { namespace, env });
  await worker.polls;
  worker.signal('SIGWINCH');
  const { code, signal } = await worker.exited;
  expect([signal, code]).not.toEqual([null, 0]);
  expect(worker.tail()).toContain('nobody caught this');
});

test('… and the API', async () => {
  api = await startApiProcess(bellhop, { namespace, env });
  api.signal('SIGWINCH');
  expect(await api.exited).not.toBe(0);
  expect(api.output()).toContain('nobody caught this');
});
