/** A worker that runs out of memory over a tool's result dies in the middle. What it had sent is known to be sent, and is not sent again. */
import { randomUUID } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { asSystem } from '../../db/scope.ts';
import { listToolCalls } from '../../db/transcript.ts';
import { AGENT_RUN, WORKFLOW_TASK_TIMEOUT, runWorkflowId } from '../../workflows/messages.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createTestNamespace, testTaskQueue } from '../setup/temporal.ts';
import { startTakeover, startWorkerProcess, type WorkerProcess } from '../setup/worker-process.ts';

const TOOL = 'SLACK_SEND_MESSAGE';
/** Megabytes. A worker itself needs some 60; a result of 50 is several times its size while it is taken apart. */
const LITTLE = '96';

let bellhop: TestBellhop | null = null;
let worker: WorkerProcess | null = null;
let takeover: { close: () => Promise<void> } | null = null;
afterEach(async () => {
  await worker?.kill();
  await takeover?.close();
  await bellhop?.close();
  bellhop = worker = takeover = null;
});

test(
  'the write that it was busy with is unknown, happened once, and the run ends with the next worker',
  { timeout: 300_000 },
  async () => {
    const namespace = await createTestNamespace();
    const parts = (bellhop = await startTestBellhop({ noWorker: true, namespace }));
    const userId = `user-${randomUUID()}`;
    await parts.putUser(userId);
    await parts.sandbox.seedAccount({ userId, app: 'slack' });
    const data = JSON.stringify({
      items: Array.from({ length: 400_000 }, (_, i) => ({ id: i, text: 'x'.repeat(100) })),
    });
    const body = `{"successful":true,"error":null,"log_id":"l","data":${data}}`;
    expect(body.length).toBeGreaterThan(40_000_000);
    const match = { route: 'tools.execute', userId } as const;
    await parts.sandbox.addFault({
      match,
      action: { type: 'status', status: 200, body, afterEffect: true },
      times: 1,
    });
    const taskQueue = testTaskQueue();
    worker = await startWorkerProcess(parts, {
      namespace,
      taskQueue,
      env: { NODE_OPTIONS: `--max-old-space-size=${LITTLE}`, TOOL_TIMEOUT: '20s' },
    });
    await worker.polls;
    const write = { name: TOOL, arguments: { channel: 'general', markdown_text: 'once' } };
    const task = scripted([{ toolCalls: [write] }, { content: 'The end.' }], userId);
    const runId = await parts.accept({ userId, task, tools: [TOOL] });
    await parts.client.workflow.start(AGENT_RUN, {
      workflowId: runWorkflowId(runId),
      taskQueue,
      workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
      args: [{ runId, userId }],
    });
    const { code, signal } = await worker.exited;
    expect([code, signal], worker.tail()).not.toEqual([0, null]);
    takeover = await startTakeover(parts, { namespace, taskQueue });
    expect((await parts.ended(runId, 120_000)).status).toBe('completed');
    const calls = await asSystem(parts.db, (tx) => listToolCalls(tx, runId));
    expect(calls.map(({ status }) => status)).toEqual(['unknown']);
    expect(await parts.sandbox.journal({ userId })).toHaveLength(1);
  },
);
