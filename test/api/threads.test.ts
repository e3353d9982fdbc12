/** Threads: one transcript, one active run at a time, freed by every kind of end; another user's thread is another one. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acceptRun, withdrawRun } from '../../db/accept-run.ts';
import { getRun } from '../../db/runs.ts';
import { asSystem, forUser } from '../../db/scope.ts';
import { scripted } from '../setup/bellhop.ts';
import { aRun } from '../db/harness.ts';
import { type AnyBody, startTestApi, type TestApi } from './setup/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(async () => await api.close());

async function newUser(isConnected = true): Promise<string> {
  const userId = `u-${randomUUID()}`;
  await api.call('PUT', `/v1/users/${userId}`, { body: {} });
  if (isConnected) await api.bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  return userId;
}
const post = (userId: string, threadId: string | undefined, more: object = {}) =>
  api.call('POST', '/v1/runs', {
    body: {
      userId,
      threadId,
      tools: ['SLACK_SEND_MESSAGE'],
      task: scripted([{ content: 'Done.' }]),
      ...more,
    },
  });
/** The texts that the model was shown when it was first asked about a task with this marker, without the system's. */
async function shownToModel(marker: string): Promise<string[]> {
  const [asked] = await api.bellhop.modelSandbox.requests({ marker });
  const body = asked?.body as { messages: { role: string; content: string | null }[] } | undefined;
  return (body?.messages ?? []).filter(({ role }) => role !== 'system').map(({ content }) => content ?? '');
}

describe('runs of one thread', () => {
  it('share a transcript: the model is shown what was asked and answered before', async () => {
    const userId = await newUser();
    const marker = randomUUID();
    const first = await post(userId, 't', {
      task: scripted([{ content: 'The answer is 42.' }], `First question.`),
    });
    await api.bellhop.ended(first.body.id);
    const second = await post(userId, 't', { task: scripted([{ content: 'Yes.' }], `${marker} Sure?`) });
    await api.bellhop.ended(second.body.id);
    const shown = await shownToModel(marker);
    expect(shown).toHaveLength(3);
    expect(shown[0]).toContain('First question.');
    expect(shown[1]).toBe('The answer is 42.');
    expect(shown[2]).toContain('Sure?');
    expect([first.body.threadId, second.body.threadId]).toEqual(['t', 't']);
  });

  it('are not those of another user who names a thread alike, nor those of another thread', async () => {
    const [alice, bob] = [await newUser(), await newUser()];
    const first = await post(alice, 't', { task: scripted([{ content: 'secret of alice' }]) });
    await api.bellhop.ended(first.body.id);
    for (const [userId, threadId] of [
      [bob, 't'],
      [alice, 'u'],
      [alice, undefined],
    ] as const) {
      const marker = randomUUID();
      const { body } = await post(userId, threadId, { task: scripted([{ content: 'x' }], marker) });
      await api.bellhop.ended(body.id);
      const shown = await shownToModel(marker);
      expect(shown).toHaveLength(1);
      expect(shown[0]).not.toContain('secret of alice');
    }
  });

  it('run one at a time: of 20 posts at once one is accepted and 19 are 409 and name it', async () => {
    const userId = await newUser(false);
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(userId, 't')));
    const accepted = answers.filter(({ status }) => status === 202);
    expect(accepted).toHaveLength(1);
    const { id } = (accepted[0] as { body: AnyBody }).body;
    const refused = answers.filter(({ status }) => status !== 202);
    expect(refused).toHaveLength(19);
    expect(refused.map(({ status, body }) => [status, body.code, body.runId])).toEqual(
      refused.map(() => [409, 'thread_busy', id]),
    );
    expect((await api.call('GET', `/v1/runs?userId=${userId}`)).body.items).toHaveLength(1);
    await api.call('POST', `/v1/runs/${id}/cancel`);
  });

  it('without a thread id are in threads of their own, and do not wait for one another', async () => {
    const userId = await newUser(false);
    const answers = await Promise.all([1, 2, 3].map(() => post(userId, undefined)));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
    expect(new Set(answers.map(({ body }) => body.threadId)).size).toBe(3);
    for (const { body } of answers) await api.call('POST', `/v1/runs/${body.id}/cancel`);
  });
});

/** How a run comes to its end; what the sweep ends as workflow_lost is shown in sweep.test.ts. */
const ENDS: readonly { name: string; status: string; isConnected: boolean; more: object; cancel?: true }[] = [
  { name: 'completed', status: 'completed', isConnected: true, more: {} },
  {
    name: 'failed at its gate',
    status: 'failed',
    isConnected: false,
    more: { onMissingConnection: 'fail' },
  },
  {
    name: 'stopped at a limit',
    status: 'failed',
    isConnected: true,
    more: {
      task: scripted([
        { toolCalls: [{ name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'c', markdown_text: 'x' } }] },
      ]),
      limits: { maxTurns: 1 },
    },
  },
  { name: 'cancelled', status: 'cancelled', isConnected: false, more: {}, cancel: true },
];

describe('a thread is free again', () => {
  it.each(ENDS)('when its run is $name', async ({ status, isConnected, more, cancel }) => {
    const userId = await newUser(isConnected);
    const first = await post(userId, 't', more);
    expect(first.status).toBe(202);
    if (cancel) await api.call('POST', `/v1/runs/${first.body.id}/cancel`);
    expect((await api.bellhop.ended(first.body.id)).status).toBe(status);
    const second = await post(userId, 't', { onMissingConnection: 'fail' });
    expect(second.status).toBe(202);
    await api.bellhop.ended(second.body.id);
  });

  it('when the start of its run is taken back, and only then', async () => {
    const userId = await newUser();
    const run = { ...aRun(userId), threadId: 't' };
    const { db } = api.bellhop;
    expect((await forUser(db, userId, (tx) => acceptRun(tx, run))).kind).toBe('accepted');
    expect((await post(userId, 't')).body.code).toBe('thread_busy');
    await forUser(db, userId, (tx) => withdrawRun(tx, run));
    expect(await asSystem(db, (tx) => getRun(tx, run.id))).toBeNull();
    const next = await post(userId, 't');
    expect(next.status).toBe(202);
    await api.bellhop.ended(next.body.id);
  });
});
