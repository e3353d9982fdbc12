import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listOpenFlows } from '../../db/flows.ts';
import { createDatabase } from '../../db/pool.ts';
import { forUser } from '../../db/scope.ts';
import type { TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
const body = (userId: string) => ({ userId, task: 'x', tools: ['SLACK_SEND_MESSAGE'] });

describe('without Temporal', () => {
  let api: TestApi;
  const userId = 'alice';
  beforeAll(async () => {
    api = await startTestApi({ noWorker: true, temporalAddress: `127.0.0.1:${await freePort()}` });
    await api.call('PUT', `/v1/users/${userId}`, { body: {} });
  });
  afterAll(async () => await api.close());

  it('users and lists work, and the process is alive but not ready', async () => {
    expect((await api.call('PUT', `/v1/users/u-${randomUUID()}`, { body: {} })).status).toBe(201);
    expect((await api.call('GET', '/healthz')).status).toBe(200);
    const ready = await api.call('GET', '/readyz');
    expect([ready.status, ready.body]).toEqual([
      503,
      { ready: false, postgres: 'up', temporal: 'down', composio: 'unknown' },
    ]);
  });

  it('a run is 503 with Retry-After at once, does not exist, holds no thread and has not used its key up', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const started = performance.now();
    for (let i = 0; i < 3; i += 1) {
      const answer = await api.call('POST', '/v1/runs', {
        body: { ...body(userId), threadId: 't' },
        headers,
      });
      expect([answer.status, answer.body.code]).toEqual([503, 'unavailable']);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    }
    // Not one waits for the 5 s that a start may take.
    expect(performance.now() - started).toBeLessThan(14_000);
    expect((await api.call('GET', '/v1/runs')).body.items).toEqual([]);
  });

  it('an audit is 503 and does not exist', async () => {
    expect((await api.call('POST', '/v1/audits')).status).toBe(503);
    expect((await api.call('GET', '/v1/audits')).body.items).toEqual([]);
  });

  it('a connection flow is 503 and stays open, one for all calls, so that the next call can start it', async () => {
    const answers = await Promise.all(
      [1, 2].map(() => api.call('POST', `/v1/users/${userId}/connections`, { body: { app: 'slack' } })),
    );
    expect(answers.map(({ status }) => status)).toEqual([503, 503]);
    expect(await forUser(api.bellhop.db, userId, (tx) => listOpenFlows(tx, userId))).toHaveLength(1);
  });
});

describe('with a Temporal that takes connections and never answers', () => {
  let api: TestApi;
  const silent = createServer(() => undefined);
  beforeAll(async () => {
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    api = await startTestApi({ noWorker: true, temporalAddress: `127.0.0.1:${port}` });
    await api.call('PUT', '/v1/users/alice', { body: {} });
  });
  afterAll(async () => {
    await api.close();
    silent.close();
  });

  it('a run is accepted as running within the deadline, because its start may have arrived', async () => {
    const started = performance.now();
    const answer = await api.call('POST', '/v1/runs', { body: body('alice') });
    const took = performance.now() - started;
    expect([answer.status, answer.body?.status]).toEqual([202, 'running']);
    expect(took).toBeGreaterThan(4_000);
    expect(took).toBeLessThan(30_000);
    expect((await api.call('GET', `/v1/runs/${answer.body.id}`)).status).toBe(200);
  });
});

describe('without a worker', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi({ noWorker: true });
    await api.call('PUT', '/v1/users/alice', { body: {} });
  });
  afterAll(async () => await api.close());

  it('a run is 202 running after 5 s, and its workflow waits for a worker', async () => {
    const answer = await api.call('POST', '/v1/runs', { body: body('alice') });
    expect([answer.status, answer.body.status]).toEqual([202, 'running']);
    const description = await api.bellhop.client.workflow.getHandle(answer.body.workflowId).describe();
    expect(description.status.name).toBe('RUNNING');
  });

  it('a cancel is a row at once', async () => {
    const { id } = (await api.call('GET', '/v1/runs')).body.items[0];
    expect((await api.call('POST', `/v1/runs/${id}/cancel`)).status).toBe(202);
    expect((await api.bellhop.run(id)).cancelRequestedAt).not.toBeNull();
  });

  it('with Composio down too, a run is accepted anyway: it checks its tools itself', async () => {
    await api.bellhop.sandbox.addFault({ action: { type: 'reset' } });
    const answer = await api.call('POST', '/v1/runs', {
      body: { ...body('alice'), tools: ['GITHUB_CREATE_ISSUE'] },
      headers: { prefer: 'respond-async' },
    });
    expect(answer.status).toBe(202);
    await expect
      .poll(async () => {
        const { status, body } = await api.call('GET', '/readyz');
        return [status, body.ready];
      })
      .toEqual([200, true]);
  });
});

describe('without the database', () => {
  it('a call that needs it is 503, says nothing of why, and the process is alive', async () => {
    const db = createDatabase({ url: `postgres://x:x@127.0.0.1:${await freePort()}/x`, name: 'gone' });
    const api = await startTestApi({ noWorker: true, deps: { db } });
    try {
      const answer = await api.call('GET', '/v1/users');
      expect([answer.status, answer.body.code, answer.headers['retry-after']]).toEqual([
        503,
        'unavailable',
        '5',
      ]);
      expect((await api.call('GET', '/healthz')).status).toBe(200);
      expect(answer.text).not.toContain('ECONNREFUSED');
    } finally {
      await api.close();
      await db.destroy();
    }
  });
});
