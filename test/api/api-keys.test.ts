/** Stored API keys: shown once, kept as digests, two at a time, dead soon after they are deleted, in every process. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthenticate } from '../../api/auth.ts';
import { createStoredKeys } from '../../api/stored-keys.ts';
import { asSystem } from '../../db/scope.ts';
import type { Answer, AnyBody, TestApi } from './setup/api.ts';
import { KEY, startTestApi } from './setup/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ noWorker: true });
});
afterAll(async () => await api.close());

const bearer = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });
async function make(name: string, scopes: readonly string[]): Promise<{ id: string; key: string }> {
  const made = await api.call('POST', '/v1/api-keys', { body: { name, scopes } });
  expect(made.status).toBe(201);
  return made.body;
}
const statusOf = async (key: string, path = '/v1/users') => (await api.call('GET', path, bearer(key))).status;
/** By when a request was sent: what a busy machine makes of its answer is another matter. */
async function expectDeadWithin(key: string, ms: number): Promise<void> {
  const deletedAt = performance.now();
  for (;;) {
    const sentAt = performance.now();
    if ((await statusOf(key)) === 401) return;
    expect(sentAt - deletedAt).toBeLessThan(ms);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe('a key that is made', () => {
  it('is shown in that answer and never again, and works at once for its scopes and no others', async () => {
    const made = await api.call('POST', '/v1/api-keys', { body: { name: 'backend', scopes: ['runs'] } });
    expect(made.body).toEqual({
      id: expect.any(String),
      name: 'backend',
      scopes: ['runs'],
      key: expect.stringMatching(/^bh_[A-Za-z0-9_-]{43}$/),
      createdAt: expect.any(String),
      lastUsedAt: null,
    });
    const { id, key } = made.body;
    expect(await statusOf(key)).toBe(200);
    expect(await statusOf(key, '/v1/audits')).toBe(403);
    expect(await statusOf(key, '/v1/api-keys')).toBe(403);
    const list = await api.call('GET', '/v1/api-keys');
    expect(list.body.items.find((item: AnyBody) => item.id === id)).toEqual({
      id,
      name: 'backend',
      scopes: ['runs'],
      createdAt: made.body.createdAt,
      lastUsedAt: expect.any(String),
    });
    expect(list.text + api.logged()).not.toContain(key);
  });

  it('is kept as its SHA-256 and nothing else', async () => {
    const { id, key } = await make('digest', ['operator']);
    const [row] = await asSystem(api.bellhop.db, (tx) =>
      tx.selectFrom('api_keys').selectAll().where('id', '=', id).execute(),
    );
    expect(row?.key_hash.equals(createHash('sha256').update(key).digest())).toBe(true);
    expect(JSON.stringify(row)).not.toContain(key);
  });

  it('with scope admin makes and deletes further ones', async () => {
    const { key } = await make('admin', ['admin']);
    const made = await api.call('POST', '/v1/api-keys', {
      ...bearer(key),
      body: { name: 'next', scopes: ['runs', 'operator'] },
    });
    expect(made.status).toBe(201);
    expect((await api.call('DELETE', `/v1/api-keys/${made.body.id}`, bearer(key))).status).toBe(204);
  });

  it.each([
    ['no scopes', { name: 'x', scopes: [] }],
    ['an unknown scope', { name: 'x', scopes: ['root'] }],
    ['a scope twice', { name: 'x', scopes: ['runs', 'runs'] }],
    ['no name', { scopes: ['runs'] }],
    ['a name of 101 characters', { name: 'x'.repeat(101), scopes: ['runs'] }],
    ['a key of the caller’s own', { name: 'x', scopes: ['runs'], key: 'bh_chosen' }],
  ])('with %s is 400', async (_name, body) => {
    expect((await api.call('POST', '/v1/api-keys', { body })).status).toBe(400);
  });

  it('owns its Idempotency-Keys: the same one of another key is another one', async () => {
    const [one, two] = [await make('one', ['runs']), await make('two', ['runs'])];
    await api.call('PUT', '/v1/users/ida', { body: {} });
    const start = (key: string) =>
      api.call('POST', '/v1/runs', {
        headers: { ...bearer(key).headers, 'idempotency-key': 'same', prefer: 'respond-async' },
        body: { userId: 'ida', task: 'x', tools: ['SLACK_SEND_MESSAGE'] },
      });
    const [first, again, other] = [await start(one.key), await start(one.key), await start(two.key)];
    expect([first.status, again.status, other.status]).toEqual([202, 200, 202]);
    expect(again.body.id).toBe(first.body.id);
    expect(other.body.id).not.toBe(first.body.id);
  });
});

describe('a rotation', () => {
  it('has both keys work until the old one is deleted; the new one goes on', async () => {
    const [old, next] = [await make('backend', ['runs']), await make('backend', ['runs'])];
    expect([await statusOf(old.key), await statusOf(next.key)]).toEqual([200, 200]);
    expect((await api.call('DELETE', `/v1/api-keys/${old.id}`)).status).toBe(204);
    // As the contract says; it is remembered for two.
    await expectDeadWithin(old.key, 5_000);
    expect(await statusOf(next.key)).toBe(200);
    expect((await api.call('DELETE', `/v1/api-keys/${old.id}`)).status).toBe(404);
  });

  it('reaches every process: one that has just used the key looks again within two seconds of its own clock', async () => {
    const { id, key } = await make('elsewhere', ['runs']);
    let nowMs = 0;
    const elsewhere = createAuthenticate({
      bootstrapKey: null,
      findKey: createStoredKeys(api.bellhop.db, () => nowMs),
    });
    const header = [`Bearer ${key}`];
    expect(await elsewhere(header)).toEqual({ keyId: id, keyName: 'elsewhere', scopes: ['runs'] });
    await api.call('DELETE', `/v1/api-keys/${id}`);
    nowMs = 1_999;
    expect(await elsewhere(header)).not.toBeNull();
    nowMs = 2_000;
    expect(await elsewhere(header)).toBeNull();
    nowMs = 2_001;
    expect(await elsewhere(header)).toBeNull();
  });
});

describe('a key that does not work', () => {
  it('gets the same answer whether it is malformed, unknown, deleted or nobody’s', async () => {
    const gone = await make('gone', ['runs']);
    await api.call('DELETE', `/v1/api-keys/${gone.id}`);
    const bad = ['x', `bh_${'A'.repeat(43)}`, gone.key, `${gone.key}x`, gone.id, KEY.toUpperCase()];
    const seen = new Set<string>();
    for (const key of bad) {
      const answer: Answer<AnyBody> = await api.call('GET', '/v1/users', bearer(key));
      seen.add(
        JSON.stringify([answer.status, answer.headers['www-authenticate'], { ...answer.body, instance: '' }]),
      );
    }
    expect([...seen]).toHaveLength(1);
    expect([...seen][0]).toContain('401');
  });

  it('is looked up like any other, the malformed one too: no shorter way tells them apart', async () => {
    const asked: string[] = [];
    const authenticate = createAuthenticate({
      bootstrapKey: 'k',
      findKey: async (hash) => {
        asked.push(hash.toString('hex'));
        return null;
      },
    });
    const bad = [['Bearer unknown'], ['Bearer '], ['Basic x'], ['Bearer a', 'Bearer b'], ['']];
    for (const header of bad) expect(await authenticate(header)).toBeNull();
    expect(asked).toHaveLength(bad.length);
    expect(asked.every((hash) => hash.length === 64)).toBe(true);
  });

  it('is 503 and no 401 while the database is away: nobody is told that a good key is bad', async () => {
    const away = await startTestApi({
      noWorker: true,
      deps: {
        authenticate: createAuthenticate({
          bootstrapKey: null,
          findKey: () => Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })),
        }),
      },
    });
    try {
      expect((await away.call('GET', '/v1/users')).status).toBe(503);
    } finally {
      await away.close();
    }
  });
});

describe('the last use', () => {
  it('is written at most once a minute', async () => {
    const { id, key } = await make('used', ['runs']);
    const find = createStoredKeys(api.bellhop.db, () => performance.now() * 1e6);
    const authenticate = createAuthenticate({ bootstrapKey: null, findKey: find });
    const read = async () =>
      (
        await asSystem(api.bellhop.db, (tx) =>
          tx.selectFrom('api_keys').select('last_used_at').where('id', '=', id).executeTakeFirstOrThrow(),
        )
      ).last_used_at;
    expect(await read()).toBeNull();
    await authenticate([`Bearer ${key}`]);
    const first = await read();
    expect(first).not.toBeNull();
    for (let n = 0; n < 5; n += 1) await authenticate([`Bearer ${key}`]);
    expect(await read()).toEqual(first);
    await asSystem(api.bellhop.db, (tx) =>
      tx
        .updateTable('api_keys')
        .set({ last_used_at: new Date(Date.now() - 61_000) })
        .where('id', '=', id)
        .execute(),
    );
    await authenticate([`Bearer ${key}`]);
    expect((await read())?.getTime()).toBeGreaterThan(Date.now() - 60_000);
  });
});

describe('the list of keys', () => {
  it('is paged, newest first, without those that are gone', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 3; n += 1) ids.push((await make(`page ${n}`, ['runs'])).id);
    await api.call('DELETE', `/v1/api-keys/${ids[1]}`);
    const first = (await api.call('GET', '/v1/api-keys?limit=1')).body;
    const second = (await api.call('GET', `/v1/api-keys?limit=1&cursor=${first.nextCursor}`)).body;
    expect([first.items[0].id, second.items[0].id]).toEqual([ids[2], ids[0]]);
  });
});
