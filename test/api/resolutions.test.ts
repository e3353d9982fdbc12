/** Calls whose outcome nobody knows: refused from then on, told, waited for when asked, and settled by a person only. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { scripted } from '../setup/bellhop.ts';
import { until } from '../setup/until.ts';
import type { AnyBody, TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';
import { untilEnded, untilSettled } from './setup/settled-run.ts';

let api: TestApi;
beforeAll(async () => {
  // Calls that a test holds up must not run out of time while a busy machine comes to them.
  api = await startTestApi({ settings: { toolTimeoutMs: 60_000 } });
});
afterAll(() => api.close());

const write = (markdown_text: string) => ({
  name: 'SLACK_SEND_MESSAGE',
  arguments: { channel: 'general', markdown_text },
});
const READ = { name: 'SLACK_LIST_CHANNELS', arguments: {} };
const TOOLS = ['SLACK_SEND_MESSAGE', 'SLACK_LIST_CHANNELS'];

async function newUser(): Promise<string> {
  const userId = `u-${randomUUID()}`;
  await api.call('PUT', `/v1/users/${userId}`, { body: {} });
  await api.bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  return userId;
}
/** The first execution by this user happens, and answers 500. */
const makeDoubtful = (userId: string) =>
  api.bellhop.sandbox.addFault({
    match: { route: 'tools.execute', userId, slug: 'SLACK_SEND_MESSAGE' },
    action: { type: 'status', status: 500, afterEffect: true },
    times: 1,
  });
async function start(userId: string, answers: readonly object[], more: object = {}) {
  const marker = randomUUID();
  const body = { userId, task: scripted(answers, marker), tools: TOOLS, ...more };
  const { status, body: run } = await api.call('POST', '/v1/runs', { body });
  expect(status).toBe(202);
  return { runId: run.id as string, marker };
}
const read = async (runId: string) => (await api.call('GET', `/v1/runs/${runId}`)).body;
const waits = (runId: string): Promise<AnyBody> => untilSettled(api, runId);
const ended = (runId: string): Promise<AnyBody> => untilEnded(api, runId);
const resolve = (runId: string, callId: string, body: object) =>
  api.call('POST', `/v1/runs/${runId}/tool-calls/${callId}/resolution`, {
    body: { resolver: 'dana', ...body },
  });
const statuses = (run: AnyBody) => run.toolCalls.map((call: AnyBody) => call.status);
const sent = async (userId: string) =>
  (await api.bellhop.sandbox.journal({ userId, slug: 'SLACK_SEND_MESSAGE' })).map(
    (effect) => (effect.arguments as AnyBody).markdown_text,
  );
async function toldToModel(marker: string): Promise<Record<string, AnyBody>> {
  const requests = await api.bellhop.modelSandbox.requests({ marker });
  const messages = ((requests.at(-1) as AnyBody)?.body.messages ?? []) as AnyBody[];
  return Object.fromEntries(
    messages.filter(({ role }) => role === 'tool').map((m) => [m.tool_call_id, JSON.parse(m.content)]),
  );
}
const eventsOf = async (runId: string): Promise<AnyBody[]> =>
  (await api.call('GET', `/v1/runs/${runId}/events`)).body.items;

describe('a run that waits for the resolution', () => {
  test('goes on when a person says it was done, tells the model what came of it, and never sends it again', async () => {
    const userId = await newUser();
    await makeDoubtful(userId);
    const answers = [{ toolCalls: [write('one')] }, { toolCalls: [write('two')] }, { content: 'The end.' }];
    const { runId, marker } = await start(userId, answers, { onUnknownOutcome: 'wait' });
    const waiting = await waits(runId);
    expect(waiting.status).toBe('waiting_for_resolution');
    expect(statuses(waiting)).toEqual(['unknown']);
    expect(waiting.usage.modelCalls).toBe(1);
    expect((await eventsOf(runId)).map(({ type }) => type)).toContain('tool.unknown');

    const { status, body } = await resolve(runId, 'call_1_0', { outcome: 'done', result: { ts: '17.3' } });
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'done', outcome: 'done', resolver: 'dana' });
    const run = await ended(runId);
    expect(run.status).toBe('completed');
    expect(run.toolCalls[0]).toMatchObject({
      status: 'done',
      resolution: 'done',
      attempts: 1,
      result: { ts: '17.3' },
    });
    expect((await toldToModel(marker))['call_1_0']).toMatchObject({
      status: 'done',
      untrusted_result: { ts: '17.3' },
    });
    // What follows with that tool and account is allowed again.
    expect(statuses(run)).toEqual(['done', 'done']);
    expect(await sent(userId)).toEqual(['one', 'two']);
  });

  test('goes on when a person says it was not done, and the model may do it again', async () => {
    const userId = await newUser();
    await api.bellhop.sandbox.addFault({
      match: { route: 'tools.execute', userId },
      action: { type: 'status', status: 502 },
      times: 1,
    });
    const answers = [{ toolCalls: [write('one')] }, { toolCalls: [write('one')] }, { content: 'The end.' }];
    const { runId, marker } = await start(userId, answers, { onUnknownOutcome: 'wait' });
    await waits(runId);
    await resolve(runId, 'call_1_0', { outcome: 'not_done' });
    const run = await ended(runId);
    expect(statuses(run)).toEqual(['failed', 'done']);
    expect(run.toolCalls[0].resolution).toBe('not_done');
    expect((await toldToModel(marker))['call_1_0'].status).toBe('failed');
    expect(await sent(userId)).toEqual(['one']);
  });

  test('lets the turn’s other calls finish, and can be cancelled', async () => {
    const userId = await newUser();
    await makeDoubtful(userId);
    const answers = [{ toolCalls: [write('one'), READ] }, { content: 'The end.' }];
    const { runId } = await start(userId, answers, { onUnknownOutcome: 'wait' });
    await until('both', async () => statuses(await read(runId)).join() === 'unknown,done');
    expect((await waits(runId)).status).toBe('waiting_for_resolution');
    await api.call('POST', `/v1/runs/${runId}/cancel`);
    const run = await ended(runId);
    expect([run.status, statuses(run)]).toEqual(['cancelled', ['unknown', 'done']]);
    const late = await resolve(runId, 'call_1_0', { outcome: 'done' });
    expect([late.status, late.body.code]).toEqual([409, 'run_ended']);
  });

  test('hears of a resolution that came while no worker was up', async () => {
    const userId = await newUser();
    await makeDoubtful(userId);
    const { runId } = await start(userId, [{ toolCalls: [write('one')] }, { content: 'The end.' }], {
      onUnknownOutcome: 'wait',
    });
    await waits(runId);
    await api.bellhop.stopWorker();
    expect((await resolve(runId, 'call_1_0', { outcome: 'done' })).status).toBe(200);
    await api.bellhop.startWorker();
    expect((await ended(runId)).status).toBe('completed');
    expect(await sent(userId)).toEqual(['one']);
  });
});

describe('a run that continues', () => {
  test('refuses further writes of that tool until it is resolved, reworded ones too, and lets them pass afterwards', async () => {
    const userId = await newUser();
    await makeDoubtful(userId);
    const barrier = randomUUID();
    await api.bellhop.sandbox.addFault({
      match: { route: 'tools.execute', userId, slug: READ.name },
      action: { type: 'hold', barrier },
      times: 1,
    });
    const answers = [
      { toolCalls: [write('one')] },
      { toolCalls: [write('one, reworded')] },
      { toolCalls: [READ] },
      { toolCalls: [write('two')] },
      { content: 'The end.' },
    ];
    const { runId, marker } = await start(userId, answers);
    await api.bellhop.sandbox.waitForBarrier(barrier);
    const told = await toldToModel(marker);
    expect(told['call_1_0'].status).toBe('unknown');
    expect(told['call_2_0']).toMatchObject({
      status: 'failed',
      error: expect.stringMatching(/unknown outcome/),
    });
    expect((await read(runId)).status).toBe('running');
    expect((await resolve(runId, 'call_1_0', { outcome: 'done' })).status).toBe(200);
    await api.bellhop.sandbox.releaseBarrier(barrier);
    const run = await ended(runId);
    expect(statuses(run)).toEqual(['done', 'failed', 'done', 'done']);
    expect((await toldToModel(marker))['call_1_0'].status).toBe('done');
    expect(await sent(userId)).toEqual(['one', 'two']);
  });
});

describe('a resolution', () => {
  test('that was given holds: the same again is 200, another one 409', async () => {
    const userId = await newUser();
    await makeDoubtful(userId);
    const barrier = randomUUID();
    await api.bellhop.sandbox.addFault({
      match: { route: 'tools.execute', userId, slug: READ.name },
      action: { type: 'hold', barrier },
      times: 1,
    });
    const answers = [{ toolCalls: [write('one')] }, { toolCalls: [READ] }, { content: 'The end.' }];
    const { runId } = await start(userId, answers);
    await api.bellhop.sandbox.waitForBarrier(barrier);
    const given = await Promise.all(
      ['done', 'not_done', 'done', 'not_done'].map((outcome) => resolve(runId, 'call_1_0', { outcome })),
    );
    const [won] = given.filter(({ status }) => status === 200).map(({ body }) => body.outcome as string);
    expect(given.map(({ status }) => status)).toEqual(
      ['done', 'not_done', 'done', 'not_done'].map((outcome) => (outcome === won ? 200 : 409)),
    );
    const settled = (await eventsOf(runId)).filter((event) => event.callId === 'call_1_0');
    expect(settled.filter(({ type }) => type === 'tool.completed')).toHaveLength(1);
    await api.bellhop.sandbox.releaseBarrier(barrier);
    await ended(runId);
  });

  test('of a call whose outcome is known is 409, of an unknown call 404, of another shape 400', async () => {
    const userId = await newUser();
    const barrier = randomUUID();
    await api.bellhop.sandbox.addFault({
      match: { route: 'tools.execute', userId, slug: READ.name },
      action: { type: 'hold', barrier },
      times: 1,
    });
    const answers = [{ toolCalls: [write('one')] }, { toolCalls: [READ] }, { content: 'The end.' }];
    const { runId } = await start(userId, answers);
    await api.bellhop.sandbox.waitForBarrier(barrier);
    const known = await resolve(runId, 'call_1_0', { outcome: 'done' });
    expect([known.status, known.body.code]).toEqual([409, 'outcome_known']);
    expect((await resolve(runId, 'call_2_0', { outcome: 'done' })).body.code).toBe('outcome_known');
    expect((await resolve(runId, 'call_7_0', { outcome: 'done' })).status).toBe(404);
    expect((await resolve(randomUUID(), 'call_1_0', { outcome: 'done' })).status).toBe(404);
    expect((await resolve(runId, 'call_1_0', { outcome: 'maybe' })).status).toBe(400);
    expect((await resolve(runId, 'call_1_0', { outcome: 'not_done', result: 1 })).status).toBe(400);
    await api.bellhop.sandbox.releaseBarrier(barrier);
    await ended(runId);
  });
});
