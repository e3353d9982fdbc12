/** The runbooks of docs/operating.md about Composio, tried: it is down and comes back; its key has expired and is replaced. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ApiProcess } from '../setup/api-process.ts';
import { scripted } from '../setup/bellhop.ts';
import { until } from '../setup/until.ts';
import { type OperatedWorker, type Stand, openStand, runIn, startRun, stop, sumOf } from './stand.ts';

const CALLS = 'bellhop_composio_call_duration_seconds_count';
const WRITE = { name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'hi' } };
const task = scripted([{ toolCalls: [WRITE] }, { content: 'Done.' }]);

let stand: Stand;
const stands: Stand[] = [];
const open = async (): Promise<Stand> => {
  const opened = await openStand();
  stands.push(opened);
  return opened;
};
const closeAll = async (): Promise<void> => {
  for (const opened of stands.splice(0)) await opened.close();
};

const newUser = async (api: ApiProcess, name: string): Promise<string> => {
  const userId = `${name}-${randomUUID()}`;
  expect((await api.call('PUT', `/v1/users/${userId}`, { body: {} })).status).toBe(201);
  await stand.bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  return userId;
};

describe('Composio’s key', () => {
  afterEach(closeAll);

  test('has expired: runs fail and say so; with the right key on both processes new ones complete', async () => {
    stand = await open();
    const expired = { COMPOSIO_API_KEY: 'an-expired-key' };
    const [api, worker] = await Promise.all([stand.startApi(expired), stand.startWorker(expired)]);
    const userId = await newUser(api, 'alice');
    const id = await startRun(api, { userId, task });
    const failed = await runIn(api, id, 'failed');
    expect(failed.error.code).toBe('internal');
    expect(failed.error.message).toContain('composio.config');
    expect(sumOf(await worker.metrics(), CALLS, 'outcome="config"')).toBeGreaterThan(0);
    api.signal('SIGTERM');
    await Promise.all([api.exited, stop(worker)]);

    const [again, other] = await Promise.all([stand.startApi(), stand.startWorker()]);
    // It does not come back; whoever wants it starts it again.
    await runIn(again, await startRun(again, { userId, task }), 'completed');
    expect((await again.call('GET', `/v1/runs/${id}`)).body.status).toBe('failed');
    expect(await stand.bellhop.sandbox.journal({ userId })).toHaveLength(1);
    again.signal('SIGTERM');
    await Promise.all([again.exited, stop(other)]);
  }, 300_000);
});

describe('Composio is down', () => {
  let api: ApiProcess;
  let worker: OperatedWorker;
  let id: string;
  let userId: string;
  beforeAll(async () => {
    stand = await open();
    [api, worker] = await Promise.all([stand.startApi(), stand.startWorker()]);
    userId = await newUser(api, 'bob');
    await api.call('GET', `/v1/users/${userId}/connections`);
    await stand.bellhop.sandbox.addFault({ match: {}, action: { type: 'status', status: 503 } });
    id = await startRun(api, { userId, task });
  });

  afterAll(closeAll);

  test('/readyz says so, a metric grows, and what is stored of connections is shown as stale', async () => {
    const stale = await until('a stale answer', async () => {
      const { body } = await api.call('GET', `/v1/users/${userId}/connections`);
      return body.stale === true ? body : null;
    });
    expect(stale.items).toMatchObject([{ app: 'slack', status: 'ACTIVE' }]);
    const ready = await api.call('GET', '/readyz');
    expect([ready.status, ready.body.composio]).toEqual([200, 'down']);
    const failures = async () => {
      const metrics = await worker.metrics();
      return sumOf(metrics, CALLS, 'outcome="transient"') + sumOf(metrics, CALLS, 'outcome="unavailable"');
    };
    const before = await failures();
    await until('it grows', async () => (await failures()) > before, 60_000);
  });

  test('runs stay running, and describing one shows the activity that is tried again and why it failed', async () => {
    const described = await until(
      'a pending activity that has failed',
      async () => {
        const text = await stand.type('temporal workflow describe --workflow-id run-<id>', id);
        return /composio\.(transient|unavailable)/.test(text) ? text : null;
      },
      60_000,
    );
    expect(described).toMatch(/Pending Activities: 1[\s\S]*beginRun/);
    expect((await api.call('GET', `/v1/runs/${id}`)).body.status).toBe('running');
  });

  test('when it comes back they go on by themselves, each write made once', async () => {
    await stand.bellhop.sandbox.clearFaults();
    // The back-off is a minute at most.
    await until(
      'the run is completed',
      async () => (await api.call('GET', `/v1/runs/${id}`)).body.status === 'completed',
      150_000,
    );
    expect(await stand.bellhop.sandbox.journal({ userId })).toHaveLength(1);
    expect((await api.call('GET', `/v1/users/${userId}/connections`)).body.stale).toBeUndefined();
    expect((await api.call('GET', '/readyz')).body.composio).toBe('up');
  });
});
