/** The main job without the API: gate, wait, tools, the end. Judged by the sandbox's journal. */
import { randomUUID } from 'node:crypto';
import { WorkflowNotFoundError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listEvents } from '../../db/events.ts';
import { asSystem } from '../../db/scope.ts';
import { listToolCalls } from '../../db/transcript.ts';
import { listWaiting } from '../../db/waiters.ts';
import { flowWorkflowId, runWorkflowId } from '../../workflows/messages.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';

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
/** Tells the flow to look. One that has not started yet needs no hint: it looks first of all. */
const hint = async (flowId: string): Promise<void> => {
  const flow = bellhop.client.workflow.getHandle(flowWorkflowId(flowId));
  await flow.signal('connection-completed', { app: 'slack' }).catch((error: unknown) => {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  });
};
const eventTypes = async (runId: string): Promise<string[]> =>
  (await asSystem(bellhop.db, (tx) => listEvents(tx, runId, { after: 0, limit: 100 }))).map(
    (event) => event.type,
  );

describe('a run whose user is connected', () => {
  test('acts with that user’s account, once, and ends with the model’s answer', async () => {
    const userId = await newUser();
    const account = await bellhop.sandbox.seedAccount({ userId, app: 'slack', status: 'ACTIVE' });
    const runId = await bellhop.start({
      userId,
      task: 'Tell #general that the release is out',
      tools: ['SLACK_SEND_MESSAGE'],
    });
    const run = await bellhop.ended(runId);
    expect(run).toMatchObject({ status: 'completed', error: null, usage: { modelCalls: 2, toolCalls: 1 } });
    const effects = await bellhop.sandbox.journal({ userId });
    expect(effects).toHaveLength(1);
    expect(effects[0]).toMatchObject({
      slug: 'SLACK_SEND_MESSAGE',
      accountId: account.id,
      accountOwner: userId,
    });
    expect(await eventTypes(runId)).toEqual([
      'run.started',
      'model.completed',
      'tool.started',
      'tool.completed',
      'model.completed',
      'run.completed',
    ]);
  });
});

describe('a run whose user has not connected the app', () => {
  test('waits, and goes on by itself when an account made elsewhere is reported', async () => {
    const userId = await newUser();
    const runId = await bellhop.start({ userId, task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'] });
    await bellhop.until(runId, (run) => run.status === 'waiting_for_connection');
    const [waiting] = await asSystem(bellhop.db, (tx) => listWaiting(tx, runId));
    expect(waiting).toMatchObject({ app: 'slack', appName: 'Slack', reason: 'missing' });
    expect(await bellhop.sandbox.journal({ userId })).toHaveLength(0);
    await bellhop.sandbox.seedAccount({ userId, app: 'slack', status: 'ACTIVE' });
    await hint(waiting?.flowId ?? '');
    const run = await bellhop.ended(runId);
    expect(run.status).toBe('completed');
    expect(await bellhop.sandbox.journal({ userId })).toHaveLength(1);
    expect(await eventTypes(runId)).toContain('connection.completed');
  });

  test('a signal alone does NOT resume it: the account is read back', async () => {
    const userId = await newUser();
    const runId = await bellhop.start({ userId, task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'] });
    await bellhop.until(runId, (run) => run.status === 'waiting_for_connection');
    await bellhop.client.workflow
      .getHandle(runWorkflowId(runId))
      .signal('connection-completed', { app: 'slack' });
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect((await bellhop.run(runId)).status).toBe('waiting_for_connection');
    expect(await bellhop.sandbox.journal({ userId })).toHaveLength(0);
    await bellhop.client.workflow.getHandle(runWorkflowId(runId)).cancel();
    expect((await bellhop.ended(runId)).status).toBe('cancelled');
  });

  test('fails at once when asked to, and says what is missing', async () => {
    const userId = await newUser();
    await bellhop.sandbox.seedAccount({ userId, app: 'gmail', status: 'EXPIRED' });
    const runId = await bellhop.start({
      userId,
      task: 'Mail it',
      tools: ['GMAIL_SEND_EMAIL'],
      onMissingConnection: 'fail',
    });
    const run = await bellhop.ended(runId);
    expect(run.error).toEqual({
      code: 'connection_required',
      message: 'Your Gmail connection has expired. Please reconnect in Settings > Integrations.',
    });
  });

  test('gives up with connection_timeout when nobody connects in time', async () => {
    const userId = await newUser();
    const runId = await bellhop.start({
      userId,
      task: 'Hi',
      tools: ['SLACK_SEND_MESSAGE'],
      connectTimeoutMs: 500,
    });
    expect((await bellhop.ended(runId)).error?.code).toBe('connection_timeout');
  });
});

describe('tool calls', () => {
  test('in parallel all run, and the model hears each result', async () => {
    const userId = await newUser();
    await bellhop.sandbox.seedAccount({ userId, app: 'slack', status: 'ACTIVE' });
    const call = (text: string) => ({
      name: 'SLACK_SEND_MESSAGE',
      arguments: { channel: 'general', markdown_text: text },
    });
    const task = scripted([{ toolCalls: ['a', 'b', 'c'].map(call) }, { content: 'Sent three.' }]);
    const run = await bellhop.ended(await bellhop.start({ userId, task, tools: ['SLACK_SEND_MESSAGE'] }));
    expect(run).toMatchObject({
      status: 'completed',
      output: 'Sent three.',
      usage: { modelCalls: 2, toolCalls: 3 },
    });
    expect(await bellhop.sandbox.journal({ userId })).toHaveLength(3);
  });

  test('with bad arguments, unknown names or broken JSON are NOT sent, and the model is told why', async () => {
    const userId = await newUser();
    await bellhop.sandbox.seedAccount({ userId, app: 'slack', status: 'ACTIVE' });
    const task = scripted([
      {
        toolCalls: [
          {
            name: 'SLACK_SEND_MESSAGE',
            arguments: { channel: 'general', markdown_text: 'x', user_id: 'somebody-else' },
          },
          { name: 'SLACK_SEND_MESSAGE', arguments: '{"channel": ' },
          { name: 'GMAIL_SEND_EMAIL', arguments: {} },
        ],
      },
      { content: 'I could not.' },
    ]);
    const runId = await bellhop.start({ userId, task, tools: ['SLACK_SEND_MESSAGE'] });
    expect((await bellhop.ended(runId)).output).toBe('I could not.');
    expect(await bellhop.sandbox.journal({ userId })).toHaveLength(0);
    const calls = await asSystem(bellhop.db, (tx) => listToolCalls(tx, runId));
    expect(calls.map((call) => [call.status, call.attempts])).toEqual([
      ['failed', 0],
      ['failed', 0],
      ['failed', 0],
    ]);
    expect(calls[0]?.error).toMatch(/user_id/);
  });

  test('end at the turn limit with limit_turns', async () => {
    const userId = await newUser();
    await bellhop.sandbox.seedAccount({ userId, app: 'slack', status: 'ACTIVE' });
    const again = { toolCalls: [{ name: 'SLACK_LIST_CHANNELS', arguments: {} }] };
    const runId = await bellhop.start({
      userId,
      task: scripted([again, again, again, again]),
      tools: ['SLACK_LIST_CHANNELS'],
      limits: { maxTurns: 3 },
    });
    const run = await bellhop.ended(runId);
    expect(run).toMatchObject({
      status: 'failed',
      error: { code: 'limit_turns' },
      usage: { modelCalls: 3, toolCalls: 3 },
    });
  });

  test('park when the connection expires mid-run, and the same call runs once after the reconnect', async () => {
    const userId = await newUser();
    const account = await bellhop.sandbox.seedAccount({ userId, app: 'slack', status: 'ACTIVE' });
    const send = {
      toolCalls: [{ name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'same' } }],
    };
    const task = scripted([send, { content: 'ok' }]);
    // The gate looks once, and the call once before it leaves.
    const barrier = randomUUID();
    await bellhop.sandbox.addFault({
      match: { route: 'accounts.list', userId },
      skip: 1,
      times: 1,
      action: { type: 'hold', barrier },
    });
    const runId = await bellhop.start({ userId, task, tools: ['SLACK_SEND_MESSAGE'] });
    await bellhop.sandbox.waitForBarrier(barrier);
    await bellhop.sandbox.setStatus(account.id, 'EXPIRED');
    await bellhop.sandbox.releaseBarrier(barrier);
    await bellhop.until(runId, (run) => run.status === 'waiting_for_connection');
    const [waiting] = await asSystem(bellhop.db, (tx) => listWaiting(tx, runId));
    expect(waiting?.reason).toBe('expired');
    await bellhop.sandbox.seedAccount({ userId, app: 'slack', status: 'ACTIVE' });
    await hint(waiting?.flowId ?? '');
    expect((await bellhop.ended(runId)).status).toBe('completed');
    const effects = await bellhop.sandbox.journal({ userId });
    expect(effects.map((effect) => effect.arguments)).toEqual([
      { channel: 'general', markdown_text: 'same' },
    ]);
  });
});
