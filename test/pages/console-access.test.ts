/** Who gets into the console, and what a request with its cookie may do. Plain HTTP: a browser would be too well behaved. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONSOLE_FOLDER } from '../../api/console/console-files.ts';
import { createSeal } from '../../api/sessions/seal.ts';
import { buildConsole } from '../../scripts/build-console.ts';
import { KEY, send, startTestApi, type TestApi } from '../api/setup/api.ts';
import { until } from '../setup/until.ts';

const OWN = { 'x-bellhop-console': '1' };

let api: TestApi;
beforeAll(async () => {
  await buildConsole();
  api = await startTestApi({ noWorker: true });
});
afterAll(() => api.close());

const signIn = (key: string, headers: object = OWN) =>
  send(api.url, 'POST', '/console/session', { body: { key }, headers: { ...headers } });
async function cookieOf(key: string): Promise<string> {
  const answer = await signIn(key);
  expect(answer.status).toBe(200);
  const [cookie = ''] = answer.headers['set-cookie'] ?? [];
  expect(cookie).toMatch(/^bellhop-console=[\w-]+; Path=\/; Max-Age=28800; HttpOnly; SameSite=Strict$/);
  return cookie.split(';')[0] ?? '';
}
const get = (path: string, headers: Record<string, string>) => send(api.url, 'GET', path, { headers });
const newKey = async (scopes: readonly string[]) =>
  (await api.call('POST', '/v1/api-keys', { body: { name: 'Dana', scopes } })).body as {
    id: string;
    key: string;
  };

describe('a session of the console', () => {
  it('is a key for requests of its own script only: no header, another site, and the cookie is nothing', async () => {
    const cookie = await cookieOf(KEY);
    expect((await get('/v1/runs', { cookie, ...OWN })).status).toBe(200);
    expect((await get('/v1/runs', { cookie, ...OWN, 'sec-fetch-site': 'same-origin' })).status).toBe(200);
    for (const headers of [
      {},
      { 'x-bellhop-console': '0' },
      { ...OWN, 'sec-fetch-site': 'cross-site' },
      { ...OWN, 'sec-fetch-site': 'same-site' },
      { ...OWN, 'sec-fetch-site': 'none' },
    ])
      expect((await get('/v1/runs', { cookie, ...headers } as Record<string, string>)).status).toBe(401);
    const body = { userId: 'x', task: 't', tools: ['A'] };
    expect((await send(api.url, 'POST', '/v1/runs', { body, headers: { cookie } })).status).toBe(401);
  });

  it('holds the key where nobody can read it: not in the cookie, an answer, or the log', async () => {
    const cookie = await cookieOf(KEY);
    const answer = await get('/console/session', { cookie, ...OWN });
    expect(JSON.parse(answer.text)).toEqual({
      brand: 'Bellhop',
      tryIt: false,
      workflowUrl: null,
    });
    const shown = Buffer.from(cookie.split('=')[1] ?? '', 'base64url').toString('latin1');
    for (const text of [cookie, shown, answer.text, api.logged()]) expect(text).not.toContain(KEY);
    expect(api.logged()).not.toContain(cookie);
  });

  it('opens for no cookie that is changed, over, of another secret or purpose', async () => {
    const later = new Date(Date.now() + 60_000);
    const good = createSeal(KEY, 'console-session').seal({ key: KEY, id: 'i' }, later);
    const isLet = async (text: string): Promise<boolean> =>
      (await get('/v1/runs', { cookie: `bellhop-console=${text}`, ...OWN })).status === 200;
    expect(await isLet(good)).toBe(true);
    for (const bad of [
      '',
      'x',
      `${good.slice(0, 30)}${good[30] === 'A' ? 'B' : 'A'}${good.slice(31)}`,
      createSeal(KEY, 'console-session').seal({ key: KEY, id: 'i' }, new Date(Date.now() - 1)),
      createSeal('another secret', 'console-session').seal({ key: KEY, id: 'i' }, later),
      createSeal(KEY, 'portal-session').seal({ key: KEY, id: 'i' }, later),
      createSeal(KEY, 'console-session').seal({ key: 'not a key', id: 'i' }, later),
      createSeal(KEY, 'console-session').seal({ key: 42, id: 'i' }, later),
      // It could not be ended.
      createSeal(KEY, 'console-session').seal({ key: KEY }, later),
    ])
      expect(await isLet(bad)).toBe(false);
    expect(() => createSeal('', 'console-session')).toThrow(RangeError);
  });

  it('dies with its key, and is not made with a key that may not see what it shows', async () => {
    const { id, key } = await newKey(['operator', 'runs']);
    const cookie = await cookieOf(key);
    expect((await get('/console/session', { cookie, ...OWN })).status).toBe(200);
    expect((await get('/v1/api-keys', { cookie, ...OWN })).status).toBe(403);
    await api.call('DELETE', `/v1/api-keys/${id}`);
    await until(
      'the end of the session',
      async () => (await get('/v1/runs', { cookie, ...OWN })).status === 401,
    );
    for (const scope of ['operator', 'runs']) {
      const narrow = await signIn((await newKey([scope])).key);
      expect([narrow.status, narrow.headers['set-cookie']]).toEqual([403, undefined]);
    }
    expect((await signIn('nobodys-key')).status).toBe(401);
    expect((await signIn(KEY, {})).status).toBe(401);
  });

  it('ends when its operator signs out: a copy of its cookie is refused, another session of the key goes on', async () => {
    const [cookie, other] = [await cookieOf(KEY), await cookieOf(KEY)];
    const signOut = (headers: Record<string, string>) =>
      send(api.url, 'DELETE', '/console/session', { headers });
    expect((await signOut({ cookie })).status).toBe(401);
    expect((await get('/v1/runs', { cookie, ...OWN })).status).toBe(200);
    const answer = await signOut({ cookie, ...OWN });
    expect([answer.status, String(answer.headers['set-cookie'])]).toEqual([
      204,
      'bellhop-console=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict',
    ]);
    for (const path of ['/v1/runs', '/console/session'])
      expect((await get(path, { cookie, ...OWN })).status).toBe(401);
    expect((await get('/v1/runs', { cookie: other, ...OWN })).status).toBe(200);
    // Without a session, or once more: there is nothing to end.
    expect((await signOut({ cookie, ...OWN })).status).toBe(204);
    expect((await signOut(OWN)).status).toBe(204);
  });
});

describe('the files of the console', () => {
  it('come with a policy that lets nothing inline through, and hold nothing inline', async () => {
    const page = await get('/console/runs/some-run', {});
    expect(page.status).toBe(200);
    const policy = String(page.headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toMatch(/unsafe|data:|https?:|\*/);
    expect(page.text).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=/);
    expect((await get('/console/assets/../index.html', {})).status).toBe(200);
    expect((await get('/console/assets/nothing.js', {})).status).toBe(404);
  });

  it('are under 150 kB together as browsers get them', () => {
    const names = readdirSync(CONSOLE_FOLDER, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.\w+$/.test(name),
    );
    const sizes = names.map((name) => gzipSync(readFileSync(join(CONSOLE_FOLDER, name))).length);
    expect(sizes.length).toBeGreaterThanOrEqual(3);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(150_000);
  });
});
