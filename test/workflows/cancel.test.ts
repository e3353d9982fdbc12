/** Cancellation at each point of a run: nothing further leaves, and what was sent is let finish and recorded. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listEvents } from '../../db/events.ts';
import { requestCancel } from '../../db/runs.ts';
import { asSystem } from '../../db/scope.ts';
import { listToolCalls } from '../../db/transcript.ts';
import { listWaiting } from '../../db/waiters.ts';
import { runWorkflowId } from '../../workflows/messages.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { until } from '../setup/until.ts';

let bellhop: TestBellhop;
beforeAll(async () => {
  bellhop = await startTestBellhop();
});
afterAll(() => bellhop.close());

const newUser = async (): Promise<string> => {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  return userId;
};
/** As POST /v1/runs/{id}/cancel does it. */
const cancel = async (runId: string): Promise<void> => {
  await asSystem(bellhop.db, (tx) => requestCancel(tx, runId));
  await bellhop.client.workflow.getHandle(runWorkflowId(runId)).cancel();
};
const lastEvent = async (runId: string): Promise<string | undefined> =>
  (await asSystem(bellhop.db, (tx) => listEvents(tx, runId, { after: 0, limit: 100 }))).at(-1)?.type;
const resultOf = (runId: string): Promise<unknown> =>
  bellhop.client.workflow.getHandle(runWorkflowId(runId)).result();
const send = (userId: string) => ({ userId, task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'] });

describe('a run that is cancelled', () => {
  test('while it waits ends, waits for nothing any more, and frees its thread', async () => {
    const userId = await newUser();
    const runId = await bellhop.start({ ...send(userId), threadId: 't' });
    await bellhop.until(runId, (run) => run.status === 'waiting_for_connection');
    await cancel(runId);
    expect(await bellhop.ended(runId)).toMatchObject({ status: 'cancelled', error: null });
    expect(await resultOf(runId)).toEqual({ status: 'cancelled' });
    expect(await asSystem(bellhop.db, (tx) => listWaiting(tx, runId))).toEqual([]);
    expect(await lastEvent(runId)).toBe('run.cancelled');
    await bellhop.accept({ ...send(userId), threadId: 't' });
  });

  test('during a model call ends at once, and the request is aborted before it is answered', async () => {
    const userId = await newUser();
    await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const marker = randomUUID();
    const task = `${marker} ${scripted([{ content: 'late', fault: { kind: 'latency', ms: 120_000 } }])}`;
    const runId = await bellhop.start({ ...send(userId), task });
    const requests = () => bellhop.modelSandbox.requests({ marker });
    await until('the model to be asked', async () => (await requests()).length === 1);
    await cancel(runId);
    // Long before the model would answer.
    expect((await bellhop.ended(runId, 30_000)).status).toBe('cancelled');
    await until(
      'the request to be aborted',
      async () => (await requests())[0]?.outcome === 'aborted_by_client',
      40_000,
    );
    expect(await requests()).toHaveLength(1);
  });

  test('during a sent tool call lets it finish and records it, and asks the model no more', async () => {
    const userId = await newUser();
    await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const barrier = randomUUID();
    await bellhop.sandbox.addFault({
      match: { route: 'tools.execute', userId },
      action: { type: 'hold', barrier },
    });
    const marker = randomUUID();
    const runId = await bellhop.start({ ...send(userId), task: `Tell #general ${marker}` });
    await bellhop.sandbox.waitForBarrier(barrier);
    await cancel(runId);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect((await bellhop.run(runId)).status).toBe('running');
    await bellhop.sandbox.releaseBarrier(barrier);
    expect((await bellhop.ended(runId)).status).toBe('cancelled');
    const calls = await asSystem(bellhop.db, (tx) => listToolCalls(tx, runId));
    expect(calls.map((call) => [call.status, call.attempts])).toEqual([['done', 1]]);
    expect(await bellhop.sandbox.journal({ userId })).toHaveLength(1);
    expect(await bellhop.modelSandbox.requests({ marker })).toHaveLength(1);
  });

  test('with more calls to make sends none of those that had not left', async () => {
    const userId = await newUser();
    await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const barrier = randomUUID();
    await bellhop.sandbox.addFault({
      match: { route: 'tools.execute', userId },
      action: { type: 'hold', barrier },
    });
    const toolCalls = Array.from({ length: 12 }, (_, i) => ({
      name: 'SLACK_SEND_MESSAGE',
      arguments: { channel: 'general', markdown_text: `no ${i}` },
    }));
    const runId = await bellhop.start({ ...send(userId), task: scripted([{ toolCalls }]) });
    await bellhop.sandbox.waitForBarrier(barrier, 8);
    await cancel(runId);
    await bellhop.sandbox.releaseBarrier(barrier);
    expect((await bellhop.ended(runId)).status).toBe('cancelled');
    expect(await bellhop.sandbox.journal({ userId })).toHaveLength(8);
    const calls = await asSystem(bellhop.db, (tx) => listToolCalls(tx, runId));
    expect(calls.filter((call) => call.status === 'done')).toHaveLength(8);
    expect(calls.filter((call) => call.attempts > 0)).toHaveLength(8);
  });

  test('before its workflow began ends without asking anybody', async () => {
    const userId = await newUser();
    await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const marker = randomUUID();
    const runId = await bellhop.accept({ ...send(userId), task: `Tell #general ${marker}` });
    await asSystem(bellhop.db, (tx) => requestCancel(tx, runId));
    await bellhop.client.workflow.execute('agentRun', {
      workflowId: runWorkflowId(runId),
      taskQueue: bellhop.taskQueue,
      args: [{ runId, userId }],
    });
    expect((await bellhop.run(runId)).status).toBe('cancelled');
    expect(await bellhop.modelSandbox.requests({ marker })).toEqual([]);
    expect(await bellhop.sandbox.journal({ userId })).toEqual([]);
  });

  test('by its row alone, the word to the workflow lost, ends before its next turn', async () => {
    const userId = await newUser();
    await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const barrier = randomUUID();
    await bellhop.sandbox.addFault({
      match: { route: 'tools.execute', userId },
      action: { type: 'hold', barrier },
    });
    const marker = randomUUID();
    const runId = await bellhop.start({ ...send(userId), task: `Tell #general ${marker}` });
    await bellhop.sandbox.waitForBarrier(barrier);
    await asSystem(bellhop.db, (tx) => requestCancel(tx, runId));
    await bellhop.sandbox.releaseBarrier(barrier);
    expect((await bellhop.ended(runId)).status).toBe('cancelled');
    expect(await bellhop.modelSandbox.requests({ marker })).toHaveLength(1);
    expect(await resultOf(runId)).toEqual({ status: 'cancelled' });
  });

  test('after its end stays as it ended', async () => {
    const userId = await newUser();
    await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const runId = await bellhop.start(send(userId));
    expect((await bellhop.ended(runId)).status).toBe('completed');
    await resultOf(runId);
    expect(await asSystem(bellhop.db, (tx) => requestCancel(tx, runId))).toBe(false);
    expect(await bellhop.run(runId)).toMatchObject({ status: 'completed', cancelRequestedAt: null });
    expect(await lastEvent(runId)).toBe('run.completed');
  });
});
