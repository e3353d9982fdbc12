import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scripted } from '../setup/bellhop.ts';
import type { TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';
import { postUntilChecked, untilEnded, untilSettled } from './setup/settled-run.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(async () => await api.close());

async function newUser(): Promise<string> {
  const userId = `u-${randomUUID()}`;
  await api.call('PUT', `/v1/users/${userId}`, { body: {} });
  return userId;
}
const newRun = (body: object) => ({ task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'], ...body });
const post = (body: object, headers: Record<string, string> = {}) =>
  api.call('POST', '/v1/runs', { body: newRun(body), headers });
/** What the answer says of the connections. */
const postChecked = (body: object) => postUntilChecked(api, { body: newRun(body) });
const seed = (userId: string, app: string, status: 'ACTIVE' | 'EXPIRED' | 'FAILED' | 'INITIATED') =>
  api.bellhop.sandbox.seedAccount({ userId, app, status });
const settled = (runId: string) => untilSettled(api, runId);
const ended = (runId: string) => untilEnded(api, runId);

describe('seed: before a run, the app must be connected', () => {
  it('says "Please connect your Slack account first in Settings > Integrations." and waits when it is not', async () => {
    const userId = await newUser();
    const { status, body } = await postChecked({ userId });
    expect(status).toBe(202);
    expect(body).toMatchObject({
      userId,
      status: 'waiting_for_connection',
      apps: ['slack'],
      workflowId: `run-${body.id}`,
      waitingFor: [
        {
          app: 'slack',
          reason: 'missing',
          message: 'Please connect your Slack account first in Settings > Integrations.',
        },
      ],
    });
    expect(body.waitingFor[0].connectUrl).toMatch(new RegExp(`^${api.url}/connect/[\\w-]{43}$`));
    await api.call('POST', `/v1/runs/${body.id}/cancel`);
  });

  it('says "Your Gmail connection has expired. Please reconnect in Settings > Integrations." when it is EXPIRED', async () => {
    const userId = await newUser();
    await seed(userId, 'gmail', 'EXPIRED');
    const { body } = await postChecked({ userId, tools: ['GMAIL_SEND_EMAIL'] });
    expect(body.waitingFor).toMatchObject([
      {
        app: 'gmail',
        reason: 'expired',
        message: 'Your Gmail connection has expired. Please reconnect in Settings > Integrations.',
      },
    ]);
    await api.call('POST', `/v1/runs/${body.id}/cancel`);
  });

  it('takes an account that is only INITIATED for missing', async () => {
    const userId = await newUser();
    await seed(userId, 'slack', 'INITIATED');
    const { body } = await postChecked({ userId });
    expect(body.waitingFor).toMatchObject([{ reason: 'missing' }]);
    await api.call('POST', `/v1/runs/${body.id}/cancel`);
  });

  it('ends as the article’s does, failed with connection_required and the same sentence, when asked to', async () => {
    const userId = await newUser();
    const { status, body } = await postChecked({ userId, onMissingConnection: 'fail' });
    expect(status).toBe(202);
    expect(body).toMatchObject({
      status: 'failed',
      error: { code: 'connection_required' },
      waitingFor: [{ message: 'Please connect your Slack account first in Settings > Integrations.' }],
    });
    expect(body.finishedAt).not.toBeNull();
  });
});

describe('seed: the agent gets the named tools and the message, and returns its answer', () => {
  it('acts with the user’s own account and shows what it did', async () => {
    const userId = await newUser();
    const account = await seed(userId, 'slack', 'ACTIVE');
    const accepted = await post({ userId, metadata: { ticket: 7 } });
    expect(accepted.status).toBe(202);
    const run = await ended(accepted.body.id);
    expect(run).toMatchObject({ status: 'completed', error: null, waitingFor: [], metadata: { ticket: 7 } });
    expect(run.output).toEqual(expect.any(String));
    expect(run.usage).toMatchObject({ modelCalls: 2, toolCalls: 1 });
    expect(run.toolCalls).toMatchObject([
      { tool: 'SLACK_SEND_MESSAGE', app: 'slack', accountId: account.id, status: 'done', attempts: 1 },
    ]);
    // The bootstrap key is an operator's too.
    expect(run.toolCalls[0].arguments).toMatchObject({ channel: expect.any(String) });
    expect(await api.bellhop.sandbox.journal({ userId })).toHaveLength(1);
  });

  it('has its transcript and its events, paged, numbered from 1 without gaps and without content', async () => {
    const userId = await newUser();
    await seed(userId, 'slack', 'ACTIVE');
    const task = scripted([
      {
        toolCalls: [{ name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', text: 'canary-words' } }],
      },
      { content: 'Sent.' },
    ]);
    const { id } = (await post({ userId, task })).body;
    expect(await ended(id)).toMatchObject({ status: 'completed', output: 'Sent.' });
    const messages = (await api.call('GET', `/v1/runs/${id}/messages`)).body.items;
    expect(messages.map((m: { role: string }) => m.role)).toEqual(['user', 'assistant', 'assistant']);
    expect(messages[0].content).toBe(task);
    expect(messages[1].toolCalls).toMatchObject([{ tool: 'SLACK_SEND_MESSAGE', status: 'done' }]);
    const seen: { seq: number; type: string }[] = [];
    let cursor = '';
    do {
      const { body } = await api.call('GET', `/v1/runs/${id}/events?limit=2${cursor}`);
      seen.push(...body.items);
      cursor = body.nextCursor === null ? '' : `&cursor=${body.nextCursor}`;
    } while (cursor !== '');
    expect(seen.map((event) => event.seq)).toEqual(seen.map((_, i) => i + 1));
    expect(seen.at(0)?.type).toBe('run.started');
    expect(seen.at(-1)?.type).toBe('run.completed');
    expect(JSON.stringify(seen)).not.toContain('canary-words');
  });
});

describe('POST /v1/runs', () => {
  it('names every tool that Composio does not know, and no run exists', async () => {
    const userId = await newUser();
    const { status, body } = await post({ userId, tools: ['SLACK_SEND_MESSAGE', 'SLACK_FLY', 'nope'] });
    expect([status, body.code]).toEqual([422, 'tool_unknown']);
    expect(body.errors.map((error: { at: string }) => error.at)).toEqual(['body/tools/1', 'body/tools/2']);
    expect((await api.call('GET', `/v1/runs?userId=${userId}`)).body.items).toEqual([]);
  });

  it.each([
    ['no tools', { tools: [] }],
    ['51 tools', { tools: Array.from({ length: 51 }, (_, i) => `T_${i}`) }],
    ['a tool twice', { tools: ['SLACK_SEND_MESSAGE', 'SLACK_SEND_MESSAGE'] }],
    ['a tool that is a path', { tools: ['../x'] }],
    ['an empty task', { task: '' }],
    ['a blank task', { task: ' \n\t ' }],
    ['a task of 64 kB and one byte in two-byte letters', { task: `a${'é'.repeat(32 * 1024)}` }],
    ['no user', { userId: undefined }],
    ['the user "default"', { userId: 'default' }],
    ['a user that is a number', { userId: 1 }],
    ['201 turns', { limits: { maxTurns: 201 } }],
    ['0 turns', { limits: { maxTurns: 0 } }],
    ['half a turn', { limits: { maxTurns: 1.5 } }],
    ['turns as text', { limits: { maxTurns: '5' } }],
    ['501 tool calls', { limits: { maxToolCalls: 501 } }],
    ['2,000,001 tokens', { limits: { maxTokens: 2_000_001 } }],
    ['a deadline of 25h', { limits: { deadline: '25h' } }],
    ['a deadline of 0s', { limits: { deadline: '0s' } }],
    ['a deadline in words', { limits: { deadline: 'soon' } }],
    ['an unknown limit', { limits: { maxMoney: 1 } }],
    ['a connect timeout of a number', { connectTimeout: 60 }],
    ['an unknown way to meet a missing connection', { onMissingConnection: 'ignore' }],
    ['an account id, which a body may not name', { accountId: 'ca_1' }],
    ['an unknown approval policy', { approvals: { require: 'reads' } }],
    ['an approval policy of no tool', { approvals: { require: [] } }],
    ['an approval timeout of 91d', { approvals: { require: 'writes', timeout: '91d' } }],
    ['an unknown way to meet an unknown outcome', { onUnknownOutcome: 'retry' }],
  ])('refuses %s with 400', async (_name, part) => {
    const { status, body } = await post({ userId: 'someone', ...part });
    expect([status, body.code]).toEqual([400, 'invalid_request']);
  });

  it('takes a task of exactly 64 kB', async () => {
    const userId = await newUser();
    const { status } = await post({ userId, task: 'é'.repeat(32 * 1024), onMissingConnection: 'fail' });
    expect(status).toBe(202);
  });

  it('answers at once, running, when asked to respond asynchronously', async () => {
    const userId = await newUser();
    const { status, body } = await post({ userId }, { prefer: 'respond-async' });
    expect([status, body.status]).toEqual([202, 'running']);
    const later = await settled(body.id);
    expect(later.status).toBe('waiting_for_connection');
    await api.call('POST', `/v1/runs/${body.id}/cancel`);
  });

  it('lets one thread have one active run: the second is 409 thread_busy and names the first', async () => {
    const userId = await newUser();
    const first = (await post({ userId, threadId: 't' })).body;
    const second = await post({ userId, threadId: 't' });
    expect([second.status, second.body.code, second.body.runId]).toEqual([409, 'thread_busy', first.id]);
    const other = await newUser();
    const theirs = await post({ userId: other, threadId: 't' });
    expect(theirs.status).toBe(202);
    await Promise.all([first.id, theirs.body.id].map((id) => api.call('POST', `/v1/runs/${id}/cancel`)));
    expect((await ended(first.id)).status).toBe('cancelled');
    const third = await post({ userId, threadId: 't', onMissingConnection: 'fail' });
    expect(third.status).toBe(202);
  });
});

describe('an Idempotency-Key', () => {
  const key = () => ({ 'idempotency-key': randomUUID() });

  it('gives the same run for the same key and body, 200 and Idempotent-Replayed, whatever the order of members', async () => {
    const userId = await newUser();
    const headers = key();
    const first = await post({ userId, onMissingConnection: 'fail' }, headers);
    const again = await api.call('POST', '/v1/runs', {
      body: {
        tools: ['SLACK_SEND_MESSAGE'],
        onMissingConnection: 'fail',
        task: 'Tell #general hello',
        userId,
      },
      headers,
    });
    expect(first.status).toBe(202);
    expect(first.headers['idempotent-replayed']).toBeUndefined();
    expect(again.status).toBe(200);
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(again.body.id).toBe(first.body.id);
    expect((await api.call('GET', `/v1/runs?userId=${userId}`)).body.items).toHaveLength(1);
  });

  it('with another body is 422', async () => {
    const userId = await newUser();
    const headers = key();
    await post({ userId, onMissingConnection: 'fail' }, headers);
    const other = await post({ userId, onMissingConnection: 'fail', task: 'Something else' }, headers);
    expect([other.status, other.body.code]).toEqual([422, 'idempotency_key_reused']);
  });

  it('makes one run out of 20 requests at once: one accepts, the others replay it or are told to try again', async () => {
    const userId = await newUser();
    const headers = key();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => post({ userId, onMissingConnection: 'fail' }, headers)),
    );
    const count = (status: number) => answers.filter((answer) => answer.status === status).length;
    expect(count(202)).toBe(1);
    expect(count(202) + count(200) + count(409)).toBe(20);
    for (const answer of answers.filter(({ status }) => status === 409)) {
      expect([answer.body.code, answer.headers['retry-after']]).toEqual(['idempotency_in_progress', '1']);
    }
    expect((await api.call('GET', `/v1/runs?userId=${userId}`)).body.items).toHaveLength(1);
  });

  it('is not used up by a 4xx', async () => {
    const headers = key();
    const userId = `u-${randomUUID()}`;
    expect((await post({ userId }, headers)).status).toBe(404);
    await api.call('PUT', `/v1/users/${userId}`, { body: {} });
    expect((await post({ userId, tools: ['NOT_A_TOOL'] }, headers)).status).toBe(422);
    expect((await post({ userId, onMissingConnection: 'fail' }, headers)).status).toBe(202);
  });

  it('is looked up before the thread', async () => {
    const userId = await newUser();
    const headers = key();
    const first = await post({ userId, threadId: 'k' }, headers);
    const again = await post({ userId, threadId: 'k' }, headers);
    expect([again.status, again.body.id]).toEqual([200, first.body.id]);
    await api.call('POST', `/v1/runs/${first.body.id}/cancel`);
  });

  it.each(['', 'x'.repeat(256), 'é'])('that is %j is 400', async (value) => {
    const headers = { 'idempotency-key': value === 'é' ? Buffer.from('é').toString('latin1') : value };
    expect((await post({ userId: 'x' }, headers)).status).toBe(400);
  });
});

describe('GET /v1/runs/{id}?wait=', () => {
  it('answers at once when the run waits for someone', async () => {
    const userId = await newUser();
    const { id } = (await post({ userId })).body;
    await settled(id);
    const started = performance.now();
    expect((await api.call('GET', `/v1/runs/${id}?wait=60s`)).body.status).toBe('waiting_for_connection');
    expect(performance.now() - started).toBeLessThan(30_000);
    await api.call('POST', `/v1/runs/${id}/cancel`);
  });

  it('holds the answer no longer than asked while the run goes on', async () => {
    const userId = await newUser();
    await seed(userId, 'slack', 'ACTIVE');
    const task = (ms: number) => scripted([{ content: 'late', fault: { kind: 'latency', ms } }]);
    const { id } = (await post({ userId, task: task(60_000) })).body;
    const started = performance.now();
    const { body } = await api.call('GET', `/v1/runs/${id}?wait=600ms`);
    expect(body.status).toBe('running');
    expect(performance.now() - started).toBeGreaterThanOrEqual(590);
    await api.call('POST', `/v1/runs/${id}/cancel`);
    const soon = (await post({ userId, task: task(1_500) })).body;
    const { body: later } = await api.call('GET', `/v1/runs/${soon.id}?wait=60s`);
    expect(later).toMatchObject({ status: 'completed', output: 'late' });
  });

  it('lets everybody who waits for one run go when it ends', async () => {
    const userId = await newUser();
    await seed(userId, 'slack', 'ACTIVE');
    const task = scripted([{ content: 'late', fault: { kind: 'latency', ms: 1_000 } }]);
    const { id } = (await post({ userId, task })).body;
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => api.call('GET', `/v1/runs/${id}?wait=60s`)),
    );
    expect(new Set(answers.map(({ body }) => body.status))).toEqual(new Set(['completed']));
  });

  it('waits on for a run whose cancel was asked for, although it waited for someone', async () => {
    const userId = await newUser();
    const { id } = (await post({ userId })).body;
    await settled(id);
    await api.call('POST', `/v1/runs/${id}/cancel`);
    const { body } = await api.call('GET', `/v1/runs/${id}?wait=60s`);
    expect(body.status).toBe('cancelled');
  });

  it.each(['61s', '2m', '30', '-1s', '', 'x', '1h'])('with %j is 400', async (wait) => {
    expect((await api.call('GET', `/v1/runs/x?wait=${wait}`)).status).toBe(400);
  });

  it('is 404 at once for a run that does not exist', async () => {
    expect((await api.call('GET', '/v1/runs/x?wait=30s')).status).toBe(404);
  });
});

describe('the list of runs', () => {
  it('is newest first, by user and by status, and pages without a gap or a repetition', async () => {
    const userId = await newUser();
    const made: string[] = [];
    for (let i = 0; i < 5; i += 1) made.push((await post({ userId, onMissingConnection: 'fail' })).body.id);
    await post({ userId: await newUser(), onMissingConnection: 'fail' });
    for (const id of made) await ended(id);
    const seen: string[] = [];
    let cursor = '';
    do {
      const { body } = await api.call('GET', `/v1/runs?userId=${userId}&limit=2${cursor}`);
      seen.push(...body.items.map((run: { id: string }) => run.id));
      cursor = body.nextCursor === null ? '' : `&cursor=${body.nextCursor}`;
    } while (cursor !== '');
    expect(seen).toEqual(made.toReversed());
    expect((await api.call('GET', `/v1/runs?userId=${userId}&status=completed`)).body.items).toEqual([]);
    expect((await api.call('GET', `/v1/runs?userId=${userId}&status=failed`)).body.items).toHaveLength(5);
    expect((await api.call('GET', '/v1/runs?status=done')).status).toBe(400);
  });
});

describe('POST /v1/runs/{id}/cancel', () => {
  it('ends a waiting run, as often as it is asked', async () => {
    const userId = await newUser();
    const { id } = (await post({ userId })).body;
    expect((await api.call('POST', `/v1/runs/${id}/cancel`)).status).toBe(202);
    expect((await api.call('POST', `/v1/runs/${id}/cancel`, { body: {} })).status).toBe(202);
    await api.bellhop.ended(id);
    const { status, body } = await api.call('POST', `/v1/runs/${id}/cancel`);
    expect([status, body.status]).toEqual([202, 'cancelled']);
  });

  it('leaves an ended run as it is', async () => {
    const userId = await newUser();
    const { id } = (await post({ userId, onMissingConnection: 'fail' })).body;
    await ended(id);
    expect((await api.call('POST', `/v1/runs/${id}/cancel`)).body.status).toBe('failed');
    await sleep(200);
    expect((await api.call('GET', `/v1/runs/${id}`)).body.status).toBe('failed');
  });

  it('of a run that does not exist is 404', async () => {
    expect((await api.call('POST', '/v1/runs/x/cancel')).status).toBe(404);
  });
});
