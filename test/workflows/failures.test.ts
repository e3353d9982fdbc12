/** What goes wrong outside: Composio and the model fail in every way, and a write never happens twice. The journal judges. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asSystem } from '../../db/scope.ts';
import { listToolCalls } from '../../db/transcript.ts';
import type { FaultAction } from '../../sandbox/composio/faults/fault.ts';
import type { Fault } from '../../sandbox/model/protocol.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';

let bellhop: TestBellhop;
beforeAll(async () => {
  bellhop = await startTestBellhop({ settings: { toolTimeoutMs: 5_000 } });
});
afterAll(() => bellhop.close());

const newUser = async (): Promise<string> => {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  return userId;
};
const WRITE = { name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'once' } };
const READ = { name: 'SLACK_LIST_CHANNELS', arguments: {} };
const TOOLS = ['SLACK_SEND_MESSAGE', 'SLACK_LIST_CHANNELS'];
const calling = (...toolCalls: object[]): string => scripted([{ toolCalls }, { content: 'The end.' }]);
const fault = (userId: string, action: FaultAction, times = 1) =>
  bellhop.sandbox.addFault({ match: { route: 'tools.execute', userId }, action, times });
const callsOf = (runId: string) => asSystem(bellhop.db, (tx) => listToolCalls(tx, runId));
const effects = (userId: string, slug: string) => bellhop.sandbox.journal({ userId, slug });

describe('Composio', () => {
  test('answering 429 is asked again, not before Retry-After, and it is no failure', async () => {
    const userId = await newUser();
    await fault(userId, { type: 'status', status: 429, retryAfter: 2 });
    const run = await bellhop.ended(await bellhop.start({ userId, task: calling(WRITE), tools: TOOLS }));
    expect(run.status).toBe('completed');
    const asked = await bellhop.sandbox.requests({ route: 'tools.execute', userId });
    expect(asked.map((request) => request.status)).toEqual([429, 200]);
    const [first = 0, second = 0] = asked.map((request) => Date.parse(request.at));
    expect(second - first).toBeGreaterThanOrEqual(1_990);
    expect((await callsOf(run.id)).map((call) => [call.status, call.attempts])).toEqual([['done', 2]]);
    expect(await effects(userId, WRITE.name)).toHaveLength(1);
  });

  test('away for several requests holds the run up, and does not fail it', async () => {
    const userId = await newUser();
    const match = { route: 'accounts.list', userId };
    await bellhop.sandbox.addFault({ match, action: { type: 'status', status: 503 }, times: 2 });
    await bellhop.sandbox.addFault({ match, action: { type: 'reset' }, times: 1, skip: 1 });
    const run = await bellhop.ended(await bellhop.start({ userId, task: calling(WRITE), tools: TOOLS }));
    expect(run.status).toBe('completed');
    expect(await effects(userId, WRITE.name)).toHaveLength(1);
  });

  test.each<[string, FaultAction, number]>([
    ['hangs after it did it', { type: 'hang', afterEffect: true }, 1],
    ['hangs before it did it', { type: 'hang' }, 0],
    ['drops the connection after it did it', { type: 'reset', afterEffect: true }, 1],
    ['answers 500 after it did it', { type: 'status', status: 500, afterEffect: true }, 1],
    ['answers half an answer', { type: 'malformed', how: 'truncated' }, 1],
    [
      'says that the provider timed out',
      { type: 'unsuccessful', error: 'Request timed out', afterEffect: true },
      1,
    ],
  ])(
    'that %s leaves a write unknown: sent once, told to the model, and further such writes are refused',
    async (_name, action, happened) => {
      const userId = await newUser();
      await fault(userId, action);
      const task = scripted([{ toolCalls: [WRITE] }, { toolCalls: [WRITE] }, { content: 'The end.' }]);
      const run = await bellhop.ended(await bellhop.start({ userId, task, tools: TOOLS }));
      expect(run).toMatchObject({ status: 'completed', output: 'The end.' });
      const calls = await callsOf(run.id);
      expect(calls.map((call) => [call.status, call.attempts])).toEqual([
        ['unknown', 1],
        ['failed', 0],
      ]);
      expect(calls[1]?.error).toMatch(/unknown outcome/);
      expect(await bellhop.sandbox.requests({ route: 'tools.execute', userId })).toHaveLength(1);
      expect(await effects(userId, WRITE.name)).toHaveLength(happened);
    },
  );

  test.each<[string, FaultAction]>([
    ['hangs', { type: 'hang' }],
    ['drops the connection', { type: 'reset' }],
    ['answers 502', { type: 'status', status: 502 }],
  ])('that %s is asked again for a read', async (_name, action) => {
    const userId = await newUser();
    await fault(userId, action);
    const run = await bellhop.ended(await bellhop.start({ userId, task: calling(READ), tools: TOOLS }));
    expect((await callsOf(run.id)).map((call) => [call.status, call.attempts])).toEqual([['done', 2]]);
  });

  test('whose tool says no tells the model, and nothing is repeated', async () => {
    const userId = await newUser();
    await fault(userId, { type: 'unsuccessful', error: 'channel_not_found\u0000' });
    const run = await bellhop.ended(await bellhop.start({ userId, task: calling(WRITE), tools: TOOLS }));
    expect(run.status).toBe('completed');
    expect(await callsOf(run.id)).toMatchObject([
      { status: 'failed', attempts: 1, error: 'channel_not_found\uFFFD' },
    ]);
    expect(await bellhop.sandbox.requests({ route: 'tools.execute', userId })).toHaveLength(1);
  });

  test('with a wrong key ends the run as internal, without a further attempt', async () => {
    const userId = await newUser();
    await bellhop.sandbox.addFault({
      match: { route: 'accounts.list', userId },
      action: { type: 'status', status: 401 },
    });
    const run = await bellhop.ended(await bellhop.start({ userId, task: calling(WRITE), tools: TOOLS }));
    expect(run.error?.code).toBe('internal');
    expect(await bellhop.sandbox.requests({ route: 'accounts.list', userId })).toHaveLength(1);
    expect(await effects(userId, WRITE.name)).toEqual([]);
  });
});

describe('a database that is away for a moment', () => {
  test('just when a write has its answer does NOT make its outcome unknown', async () => {
    const userId = await newUser();
    const barrier = randomUUID();
    await fault(userId, { type: 'hold', barrier, afterEffect: true });
    const runId = await bellhop.start({ userId, task: calling(WRITE), tools: TOOLS });
    await bellhop.sandbox.waitForBarrier(barrier);
    const lock = new pg.Client({ connectionString: bellhop.databaseUrl });
    await lock.connect();
    // Not there under its name: every statement about it fails, as with a server that is gone.
    await lock.query('alter table tool_calls rename to tool_calls_away');
    await bellhop.sandbox.releaseBarrier(barrier);
    await new Promise((resolve) => setTimeout(resolve, 800));
    await lock.query('alter table tool_calls_away rename to tool_calls');
    await lock.end();
    expect((await bellhop.ended(runId)).status).toBe('completed');
    expect((await callsOf(runId)).map((call) => [call.status, call.attempts])).toEqual([['done', 1]]);
    expect(await effects(userId, WRITE.name)).toHaveLength(1);
  });
});

describe('the model', () => {
  const answered = async (first: { fault: Fault; times?: number }) => {
    const userId = await newUser();
    const task = `${randomUUID()} ${scripted([{ content: 'Fine.', ...first }])}`;
    return bellhop.ended(await bellhop.start({ userId, task, tools: TOOLS }));
  };

  test.each<[string, Fault]>([
    ['429 with Retry-After', { kind: 'status', status: 429, retryAfter: '1' }],
    ['500', { kind: 'status', status: 500 }],
    ['a cut connection', { kind: 'reset_mid_body' }],
    ['an answer without choices', { kind: 'empty_choices' }],
    ['no JSON', { kind: 'html' }],
  ])('is asked again after %s, and only the answer counts', async (_name, modelFault) => {
    expect(await answered({ fault: modelFault, times: 1 })).toMatchObject({
      status: 'completed',
      output: 'Fine.',
      usage: { modelCalls: 1 },
    });
  });

  test.each<[string, Fault, string]>([
    ['a wrong key', { kind: 'status', status: 401 }, 'model_error'],
    [
      'a request it will never take',
      { kind: 'status', status: 400, code: 'context_length_exceeded' },
      'model_error',
    ],
    ['an answer that was cut', { kind: 'length' }, 'model_error'],
    ['an answer that was withheld', { kind: 'content_filter' }, 'model_refused'],
  ])('with %s ends the run, and is NOT asked again', async (_name, modelFault, code) => {
    const run = await answered({ fault: modelFault });
    expect(run).toMatchObject({ status: 'failed', error: { code } });
    const asked = await bellhop.modelSandbox.requests({ marker: run.task.slice(0, 36) });
    expect(asked).toHaveLength(1);
  });

  test('that refuses ends the run as model_refused', async () => {
    const userId = await newUser();
    const task = scripted([{ content: null, refusal: 'I will not.' }]);
    const run = await bellhop.ended(await bellhop.start({ userId, task, tools: TOOLS }));
    expect(run).toMatchObject({
      status: 'failed',
      error: { code: 'model_refused' },
      usage: { modelCalls: 1 },
    });
  });
});
