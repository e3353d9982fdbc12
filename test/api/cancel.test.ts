/** POST /v1/runs/{id}/cancel at every point of a run, by the wire: what the sandboxes saw decides what has happened. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scripted } from '../setup/bellhop.ts';
import { until } from '../setup/until.ts';
import { startTakeover } from '../setup/worker-process.ts';
import { type AnyBody, startTestApi, type TestApi } from './setup/api.ts';
import { openEvents } from './setup/event-client.ts';
import { untilEnded } from './setup/settled-run.ts';

const SEND = {
  name: 'SLACK_SEND_MESSAGE',
  arguments: { channel: 'general', markdown_text: 'hello' },
};
let api: TestApi;
beforeAll(async () => {
  // Calls that a test holds up must not run out of time while a busy machine comes to them.
  api = await startTestApi({ settings: { toolTimeoutMs: 60_000 } });
});
afterAll(async () => await api.close());

async function newUser(of = api): Promise<{ userId: string; accountId: string }> {
  const userId = `u-${randomUUID()}`;
  await of.call('PUT', `/v1/users/${userId}`, { body: {} });
  const account = await of.bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  return { userId, accountId: account.id };
}
async function post(userId: string, answers: readonly object[], more: object = {}, of = api) {
  const marker = randomUUID();
  const { body, status } = await of.call('POST', '/v1/runs', {
    body: { userId, tools: ['SLACK_SEND_MESSAGE'], task: scripted(answers, marker), ...more },
  });
  expect(status).toBe(202);
  return { id: String(body.id), marker };
}
const cancel = (id: string, of = api) => of.call('POST', `/v1/runs/${id}/cancel`);
/** Holds the next execute of this user before it has its effect, or after. */
async function hold(userId: string, afterEffect: boolean): Promise<string> {
  const barrier = randomUUID();
  await api.bellhop.sandbox.addFault({
    match: { route: 'tools.execute', userId },
    action: { type: 'hold', barrier, ...(afterEffect ? { afterEffect } : {}) },
    times: 1,
  });
  return barrier;
}
/** What the run came to, and that it was told in order: one last event, nothing after it. */
async function end(id: string) {
  const run = await untilEnded(api, id);
  const { items } = (await api.call('GET', `/v1/runs/${id}/events?limit=100`)).body;
  const types: string[] = items.map((item: { type: string }) => item.type);
  expect(types.filter((type) => /^run\.(completed|failed|cancelled)$/.test(type))).toEqual([types.at(-1)]);
  expect(types.at(-1)).toBe(`run.${run.status}`);
  return run;
}

describe('a run is cancelled', () => {
  it('while it waits at its gate: 202 at once, then it waits for nobody', async () => {
    const userId = `u-${randomUUID()}`;
    await api.call('PUT', `/v1/users/${userId}`, { body: {} });
    const { id, marker } = await post(userId, [{ content: 'x' }]);
    expect((await cancel(id)).status).toBe(202);
    expect(await end(id)).toMatchObject({ status: 'cancelled', waitingFor: [], error: null });
    expect(await api.bellhop.modelSandbox.requests({ marker })).toEqual([]);
  });

  it('while a call of it waits for a connection in the middle: that call never leaves', async () => {
    const { userId, accountId } = await newUser();
    const barrier = await hold(userId, false);
    const { id, marker } = await post(userId, [{ toolCalls: [SEND] }, { content: 'x' }]);
    await api.bellhop.sandbox.waitForBarrier(barrier);
    await api.bellhop.sandbox.setStatus(accountId, 'EXPIRED');
    await api.bellhop.sandbox.releaseBarrier(barrier);
    await api.bellhop.until(id, (run) => run.status === 'waiting_for_connection');
    const asked = (await api.bellhop.modelSandbox.requests({ marker })).length;
    await cancel(id);
    const run = await end(id);
    expect(run).toMatchObject({ status: 'cancelled', waitingFor: [] });
    expect(run.toolCalls).toMatchObject([{ status: 'failed' }]);
    expect(await api.bellhop.sandbox.journal({ userId })).toEqual([]);
    expect(await api.bellhop.modelSandbox.requests({ marker })).toHaveLength(asked);
    // A connection that comes afterwards wakes nothing.
    await api.bellhop.sandbox.setStatus(accountId, 'ACTIVE');
    await sleep(500);
    expect(await api.bellhop.sandbox.journal({ userId })).toEqual([]);
  });

  it('during a model call: the request to the model is aborted, and there is no other', async () => {
    const { userId } = await newUser();
    const { id, marker } = await post(userId, [{ content: 'late', fault: { kind: 'latency', ms: 60_000 } }]);
    const requests = () => api.bellhop.modelSandbox.requests({ marker });
    await until('the model to be asked', async () => (await requests()).length > 0);
    await cancel(id);
    expect((await end(id)).status).toBe('cancelled');
    const asked = (await requests()).length;
    await until('the model to see its client hang up', async () =>
      (await requests()).every(({ outcome }) => outcome === 'aborted_by_client'),
    );
    expect(await requests()).toHaveLength(asked);
  });

  it.each([false, true])(
    'during a tool call that was sent (its effect there already: %s): it finishes and is recorded as done',
    async (afterEffect) => {
      const { userId } = await newUser();
      const barrier = await hold(userId, afterEffect);
      const { id, marker } = await post(userId, [{ toolCalls: [SEND] }, { content: 'x' }]);
      await api.bellhop.sandbox.waitForBarrier(barrier);
      const asked = (await api.bellhop.modelSandbox.requests({ marker })).length;
      expect((await cancel(id)).body.status).toBe('running');
      await sleep(500);
      expect((await api.bellhop.run(id)).status).toBe('running');
      await api.bellhop.sandbox.releaseBarrier(barrier);
      const run = await end(id);
      expect(run.status).toBe('cancelled');
      expect(run.toolCalls).toMatchObject([{ status: 'done', attempts: 1 }]);
      expect(await api.bellhop.sandbox.journal({ userId })).toHaveLength(1);
      expect(await api.bellhop.modelSandbox.requests({ marker })).toHaveLength(asked);
    },
  );

  it('at any moment between: what is recorded as done has happened once, and nothing else has', async () => {
    const turns = Array.from({ length: 8 }, () => ({ toolCalls: [SEND, SEND] }));
    const one = async (delayMs: number): Promise<string> => {
      const { userId } = await newUser();
      const { id } = await post(userId, [...turns, { content: 'x' }]);
      await sleep(delayMs);
      await cancel(id);
      const run = await end(id);
      expect(['cancelled', 'completed']).toContain(run.status);
      const done = run.toolCalls.filter((call: AnyBody) => call.status === 'done');
      expect(run.toolCalls.filter((call: AnyBody) => !['done', 'failed'].includes(call.status))).toEqual([]);
      expect(await api.bellhop.sandbox.journal({ userId })).toHaveLength(done.length);
      return run.status;
    };
    const statuses = await Promise.all(Array.from({ length: 12 }, (_, i) => one(i * 120)));
    expect(statuses).toContain('cancelled');
  });

  it('by 30 callers at once: 202 for each, one end', async () => {
    const { userId } = await newUser();
    const { id } = await post(userId, [{ content: 'late', fault: { kind: 'latency', ms: 60_000 } }]);
    const answers = await Promise.all(Array.from({ length: 30 }, () => cancel(id)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    expect((await end(id)).status).toBe('cancelled');
    const again = await cancel(id);
    expect([again.status, again.body.status]).toEqual([202, 'cancelled']);
    await end(id);
  });

  it('and whoever follows it sees run.cancelled as its last event', async () => {
    const userId = `u-${randomUUID()}`;
    await api.call('PUT', `/v1/users/${userId}`, { body: {} });
    const { id } = await post(userId, [{ content: 'x' }]);
    const stream = await openEvents(api.url, id);
    await cancel(id);
    expect(await stream.over).toBe('end');
    expect(stream.events.at(-1)?.event).toBe('run.cancelled');
  });

  it('after its end: it stays as it ended', async () => {
    const { userId } = await newUser();
    const { id } = await post(userId, [{ content: 'The answer.' }]);
    await api.bellhop.ended(id);
    const answer = await cancel(id);
    expect([answer.status, answer.body.status, answer.body.output]).toEqual([
      202,
      'completed',
      'The answer.',
    ]);
  });
});

describe('with no worker up', () => {
  it('a cancel is 202 at once, and the first worker that comes ends the run without asking anybody', async () => {
    const idle = await startTestApi({ noWorker: true });
    const { userId } = await newUser(idle);
    const marker = randomUUID();
    const accepted = await idle.call('POST', '/v1/runs', {
      body: { userId, tools: ['SLACK_SEND_MESSAGE'], task: scripted([{ toolCalls: [SEND] }], marker) },
      headers: { prefer: 'respond-async' },
    });
    const { id } = accepted.body;
    const started = performance.now();
    expect((await cancel(id, idle)).status).toBe(202);
    // No longer than it tries to give a hint, which takes 2 s at most; nobody would ever answer.
    expect(performance.now() - started).toBeLessThan(30_000);
    const worker = await startTakeover(idle.bellhop, { namespace: 'default' });
    expect((await idle.bellhop.ended(id)).status).toBe('cancelled');
    expect(await idle.bellhop.modelSandbox.requests({ marker })).toEqual([]);
    expect(await idle.bellhop.sandbox.journal({ userId })).toEqual([]);
    await worker.close();
    await idle.close();
  });
});

describe('with Temporal out of reach of the API', () => {
  it('a cancel is 202 within seconds, and the run ends before its next step, by its row alone', async () => {
    const deaf = await startTestApi({ temporalAddress: '127.0.0.1:1', settings: { toolTimeoutMs: 60_000 } });
    const { userId } = await newUser(deaf);
    const barrier = randomUUID();
    await deaf.bellhop.sandbox.addFault({
      match: { route: 'tools.execute', userId },
      action: { type: 'hold', barrier },
    });
    const task = scripted([{ toolCalls: [SEND] }, { toolCalls: [SEND] }, { content: 'x' }]);
    const id = await deaf.bellhop.start({ userId, task, tools: ['SLACK_SEND_MESSAGE'] });
    await deaf.bellhop.sandbox.waitForBarrier(barrier);
    const started = performance.now();
    expect((await cancel(id, deaf)).status).toBe(202);
    expect(performance.now() - started).toBeLessThan(30_000);
    await deaf.bellhop.sandbox.releaseBarrier(barrier);
    expect((await deaf.bellhop.ended(id)).status).toBe('cancelled');
    expect(await deaf.bellhop.sandbox.journal({ userId })).toHaveLength(1);
    await deaf.close();
  });
});
