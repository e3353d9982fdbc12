import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../setup/until.ts';
import type { TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(async () => await api.close());
/** What an earlier test, or an attempt that failed, has broken is whole again, and its audit over. */
beforeEach(async () => {
  await api.bellhop.sandbox.clearFaults();
  for (const { id, status } of await api.bellhop.sandbox.accounts())
    if (status !== 'ACTIVE') await api.bellhop.sandbox.setStatus(id, 'ACTIVE');
  await until('no audit to run', async () => {
    const { items } = (await api.call('GET', '/v1/audits?limit=100')).body;
    return items.every(({ status }: { status: string }) => status !== 'running');
  });
});

const read = async (id: string) => (await api.call('GET', `/v1/audits/${id}`)).body;
const finished = async (id: string) => {
  await expect.poll(async () => (await read(id)).status).not.toBe('running');
  return read(id);
};

describe('seed: a job goes through all users and notifies those whose app has stopped working', () => {
  it('counts users and broken connections, and leaves the healthy alone', async () => {
    const ids = Array.from({ length: 5 }, () => `u-${randomUUID()}`);
    for (const id of ids) await api.call('PUT', `/v1/users/${id}`, { body: {} });
    await api.bellhop.sandbox.seedAccount({ userId: ids[0] ?? '', app: 'gmail', status: 'EXPIRED' });
    await api.bellhop.sandbox.seedAccount({ userId: ids[1] ?? '', app: 'slack', status: 'FAILED' });
    await api.bellhop.sandbox.seedAccount({ userId: ids[2] ?? '', app: 'slack' });
    const started = await api.call('POST', '/v1/audits');
    expect([started.status, started.body.status, started.body.mode]).toEqual([202, 'running', 'users']);
    const audit = await finished(started.body.id);
    expect(audit).toMatchObject({
      status: 'completed',
      broken: 2,
      notified: 2,
      finishedAt: expect.any(String),
    });
    expect(audit.usersScanned).toBeGreaterThanOrEqual(5);
    const again = await finished((await api.call('POST', '/v1/audits', { body: {} })).body.id);
    expect(again).toMatchObject({ broken: 2, notified: 0 });
  });
});

describe('audits', () => {
  it('name whom they could not look at, and why', async () => {
    const poison = `u-${randomUUID()}`;
    await api.call('PUT', `/v1/users/${poison}`, { body: {} });
    await api.bellhop.sandbox.addFault({
      match: { userId: poison },
      action: { type: 'status', status: 422 },
    });
    const audit = await finished((await api.call('POST', '/v1/audits')).body.id);
    expect(audit).toMatchObject({
      status: 'completed',
      skipped: 1,
      skippedUsers: [{ userId: poison, reason: 'refused' }],
    });
    await api.bellhop.sandbox.clearFaults();
    const again = await finished((await api.call('POST', '/v1/audits')).body.id);
    expect(again).toMatchObject({ skipped: 0, skippedUsers: [] });
  });

  it('run one at a time: of ten at once one starts, the others are 409 and name it', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => api.call('POST', '/v1/audits', { body: { mode: 'users' } })),
    );
    const [started] = answers.filter(({ status }) => status === 202);
    const refused = answers.filter(({ status }) => status === 409);
    expect(refused.length).toBeGreaterThan(0);
    for (const { body } of refused) expect(body.code).toBe('audit_running');
    expect(refused.map(({ body }) => body.id)).toContain(started?.body.id);
    await Promise.all(answers.filter(({ status }) => status === 202).map(({ body }) => finished(body.id)));
  });

  it('are listed newest first, and cancelled as often as it is asked', async () => {
    const { id } = (await api.call('POST', '/v1/audits')).body;
    expect((await api.call('POST', `/v1/audits/${id}/cancel`)).status).toBe(202);
    expect((await api.call('POST', `/v1/audits/${id}/cancel`)).status).toBe(202);
    expect(['cancelled', 'completed']).toContain((await finished(id)).status);
    const page = (await api.call('GET', '/v1/audits?limit=1')).body;
    expect(page.items.map((audit: { id: string }) => audit.id)).toEqual([id]);
    expect((await api.call('GET', `/v1/audits?limit=1&cursor=${page.nextCursor}`)).body.items[0].id).not.toBe(
      id,
    );
    expect((await api.call('POST', '/v1/audits/nothing/cancel')).status).toBe(404);
    expect((await api.call('POST', '/v1/audits', { body: { mode: 'all' } })).status).toBe(400);
  });
});

describe('deliveries', () => {
  it('are listed by status and page, and one that does not exist is not retried', async () => {
    expect((await api.call('GET', '/v1/deliveries')).body).toEqual({
      items: expect.any(Array),
      nextCursor: null,
    });
    expect((await api.call('GET', '/v1/deliveries?status=failed')).body.items).toEqual([]);
    expect((await api.call('GET', '/v1/deliveries?status=lost')).status).toBe(400);
    expect((await api.call('POST', '/v1/deliveries/nothing/retry')).status).toBe(404);
  });
});
