import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forUser } from '../../db/scope.ts';
import type { TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ noWorker: true });
});
afterAll(async () => await api.close());

const put = (userId: string, body: unknown = {}) =>
  api.call('PUT', `/v1/users/${encodeURIComponent(userId)}`, { body });

describe('seed: an entity per user, made at sign-up with the app’s own user id', () => {
  it('registers a new user with 201, knows it the next time with 200, and asks Composio nothing', async () => {
    const before = (await api.bellhop.sandbox.state()).requests.total;
    const userId = `signup-${randomUUID()}`;
    const first = await put(userId, {
      email: 'a@example.com',
      displayName: 'Alice',
      metadata: { plan: 'pro' },
    });
    expect(first.status).toBe(201);
    expect(first.body).toMatchObject({
      userId,
      email: 'a@example.com',
      displayName: 'Alice',
      metadata: { plan: 'pro' },
    });
    expect((await put(userId)).status).toBe(200);
    expect((await api.bellhop.sandbox.state()).requests.total).toBe(before);
  });

  it('works while Composio is down', async () => {
    const fault = await api.bellhop.sandbox.addFault({ action: { type: 'reset' } });
    const answer = await put(`signup-${randomUUID()}`);
    await api.bellhop.sandbox.removeFault(fault.id);
    expect(answer.status).toBe(201);
  });

  it('takes every id that the contract allows', async () => {
    for (const id of ['a', 'A.b_c~d@e-f', 'x'.repeat(128), '0', 'null', 'undefined', '...', 'Default']) {
      // Of an attempt that failed.
      await forUser(api.bellhop.db, id, (tx) => tx.deleteFrom('users').where('user_id', '=', id).execute());
      const answer = await put(id);
      expect([id, answer.status]).toEqual([id, 201]);
      expect((await api.call('GET', `/v1/users/${encodeURIComponent(id)}`)).body.userId).toBe(id);
    }
  });
});

describe('a user', () => {
  it('keeps a field that is absent, and loses one that is null', async () => {
    await put('fields', { email: 'f@example.com', displayName: 'F', metadata: { a: 1 } });
    expect((await put('fields', { displayName: 'G' })).body).toMatchObject({
      email: 'f@example.com',
      displayName: 'G',
      metadata: { a: 1 },
    });
    expect((await put('fields', { email: null })).body).toMatchObject({ email: null, displayName: 'G' });
  });

  it('gives its metadata back as it was, and refuses more than 16 kB of it', async () => {
    const metadata = { list: [1, 'two', null, { three: true }], text: '<b>&"\'', '': 0 };
    expect((await put('meta', { metadata })).body.metadata).toEqual(metadata);
    expect((await put('meta', { metadata: { a: 'x'.repeat(16 * 1024) } })).status).toBe(400);
    expect((await put('meta', { metadata: [] })).status).toBe(400);
  });

  it.each(['a', 'a@', '@b.example', 'a b@c.example', `${'x'.repeat(250)}@c.example`])(
    'is not given the address %j',
    async (email) => {
      expect((await put('mail', { email })).status).toBe(400);
    },
  );

  it('that is not registered is 404 user_unknown for every call about it', async () => {
    const calls = await Promise.all([
      api.call('GET', '/v1/users/stranger'),
      api.call('GET', '/v1/users/stranger/connections'),
      api.call('POST', '/v1/users/stranger/connections', { body: { app: 'slack' } }),
      api.call('DELETE', '/v1/users/stranger/connections/ca_1'),
      api.call('POST', '/v1/runs', {
        body: { userId: 'stranger', task: 'x', tools: ['SLACK_SEND_MESSAGE'] },
      }),
    ]);
    for (const { status, body } of calls) expect([status, body.code]).toEqual([404, 'user_unknown']);
  });
});

describe('the list of users', () => {
  it('pages through all of them once, in order, whatever the limit', async () => {
    const ids = Array.from({ length: 12 }, (_, i) => `page-${String(i).padStart(2, '0')}`);
    await Promise.all(ids.map((id) => put(id)));
    for (const limit of [1, 5, 100]) {
      const seen: string[] = [];
      let cursor = '';
      for (;;) {
        const { body } = await api.call('GET', `/v1/users?limit=${limit}${cursor}`);
        expect(body.items.length).toBeLessThanOrEqual(limit);
        seen.push(...body.items.map((user: { userId: string }) => user.userId));
        if (body.nextCursor === null) break;
        cursor = `&cursor=${body.nextCursor}`;
      }
      expect(seen.filter((id) => id.startsWith('page-'))).toEqual(ids);
      expect(new Set(seen).size).toBe(seen.length);
    }
  });

  it('has 20 items when no limit is asked for', async () => {
    await Promise.all(Array.from({ length: 21 }, (_, i) => put(`default-limit-${i}`)));
    expect((await api.call('GET', '/v1/users')).body.items).toHaveLength(20);
  });
});
