/** A run that is cancelled while a call is on its way, and whose worker then dies: it is cancelled, and the call's outcome unknown. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { listEvents } from '../../db/events.ts';
import { requestCancel } from '../../db/runs.ts';
import { asSystem } from '../../db/scope.ts';
import { listToolCalls } from '../../db/transcript.ts';
import { runWorkflowId } from '../../workflows/messages.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createTestNamespace } from '../setup/temporal.ts';
import { until } from '../setup/until.ts';
import { startWorkerProcess, type WorkerProcess } from '../setup/worker-process.ts';

/** PENDING_ACTIVITY_STATE_CANCEL_REQUESTED; the client exports no names for these. */
const CANCEL_REQUESTED = 3;

let bellhop: TestBellhop;
let namespace: string;
const workers: WorkerProcess[] = [];
// Each attempt has a stage of its own.
beforeEach(async () => {
  // Its own namespace: worker/main.ts makes Schedules with fixed ids.
  namespace = await createTestNamespace();
  bellhop = await startTestBellhop({ noWorker: true, namespace });
});
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.kill();
  await bellhop?.close();
});

const startWorker = async (): Promise<WorkerProcess> => {
  const worker = await startWorkerProcess(bellhop, { namespace });
  workers.push(worker);
  return worker;
};

test('the run is cancelled and not failed, the write unknown and never sent again', async () => {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  const barrier = randomUUID();
  await bellhop.sandbox.addFault({
    match: { route: 'tools.execute', userId },
    action: { type: 'hold', barrier, afterEffect: true },
  });
  const first = await startWorker();
  const call = { name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'once' } };
  const task = scripted([{ toolCalls: [call] }, { content: 'The end.' }]);
  const runId = await bellhop.start({ userId, task, tools: ['SLACK_SEND_MESSAGE'] });
  await bellhop.sandbox.waitForBarrier(barrier, 1, 60_000);
  // As POST /v1/runs/{id}/cancel does it.
  await asSystem(bellhop.db, (tx) => requestCancel(tx, runId));
  const handle = bellhop.client.workflow.getHandle(runWorkflowId(runId));
  await handle.cancel();
  await until(
    'the call to be asked to stop',
    async () => Number((await handle.describe()).raw.pendingActivities?.[0]?.state) === CANCEL_REQUESTED,
  );
  await first.kill();
  await bellhop.sandbox.releaseBarrier(barrier);
  await startWorker();
  const run = await bellhop.ended(runId, 90_000);
  expect(run).toMatchObject({ status: 'cancelled', error: null });
  expect(await handle.result()).toEqual({ status: 'cancelled' });
  const calls = await asSystem(bellhop.db, (tx) => listToolCalls(tx, runId));
  expect(calls.map(({ status, attempts }) => [status, attempts])).toEqual([['unknown', 1]]);
  expect(await bellhop.sandbox.journal({ userId })).toHaveLength(1);
  const events = await asSystem(bellhop.db, (tx) => listEvents(tx, runId, { after: 0, limit: 99 }));
  expect(events.map(({ type }) => type)).toContain('tool.unknown');
  expect(events.at(-1)?.type).toBe('run.cancelled');
}, 300_000);
