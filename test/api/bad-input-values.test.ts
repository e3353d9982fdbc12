/** Odd ids, headers and callbacks: each alone is a value that somebody really sent to some API. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestApi } from './setup/api.ts';
import { KEY, startTestApi } from './setup/api.ts';
import { expectProblem, expectUnharmed } from './setup/operations.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ noWorker: true });
});
afterAll(async () => {
  await expectUnharmed(api);
  await api.close();
});

describe('a user id that is to be registered', () => {
  it.each<[string, string]>([
    ['reserved', 'default'],
    ['climbing', '..'],
    ['climbing, encoded twice', '%2e%2e'],
    ['with a slash', 'a/b'],
    ['with a backslash', 'a\\b'],
    ['with a line break', 'a\r\nSet-Cookie: x=1'],
    ['with a colon', 'a:b'],
    ['with a comma', 'a,b'],
    ['with a space', 'a b'],
    ['with a quote', "a'b"],
    ['with a semicolon', 'a;b'],
    ['right to left', '\u202ealice'],
    ['of zero width', 'ali\u200bce'],
    ['with a soft hyphen', 'ali\u00adce'],
    ['that looks like another', '\u0430lice'],
    ['of full width', '\uff41lice'],
    ['with an accent, composed', '\u00e9'],
    ['with an accent, decomposed', 'e\u0301'],
    ['an emoji', '\ud83d\ude00'],
    ['too long by one', 'x'.repeat(129)],
    ['blank', ' '],
    ['a NUL', '\0'],
  ])('%s is 400 and is not registered', async (_name, userId) => {
    const answer = await api.call('PUT', `/v1/users/${encodeURIComponent(userId)}`, { body: {} });
    expectProblem(answer, 400);
    expect(answer.text).not.toContain('Set-Cookie');
    const { items } = (await api.call('GET', '/v1/users?limit=100')).body;
    expect(items.map((user: { userId: string }) => user.userId)).not.toContain(userId);
  });

  it.each([
    'null',
    'undefined',
    '0',
    'constructor',
    '__proto__',
    'toString',
    'hasOwnProperty',
    '-',
    '~',
    '@',
    'DEFAULT',
    'x'.repeat(128),
    'a.b@c~d-e_f',
  ])('%s is a name like any other', async (userId) => {
    expect((await api.call('PUT', `/v1/users/${userId}`, { body: {} })).status).toBe(201);
    expect((await api.call('GET', `/v1/users/${userId}`)).body.userId).toBe(userId);
    expect((await api.call('GET', `/v1/runs?userId=${userId}`)).body.items).toEqual([]);
  });
});

describe('the headers of POST /v1/runs', () => {
  const post = (headers: Record<string, string | string[]>) =>
    api.call('POST', '/v1/runs', {
      headers,
      body: { userId: 'nobody', task: 'x', tools: ['SLACK_SEND_MESSAGE'] },
    });

  it.each<[string, string | string[]]>([
    ['empty', ''],
    ['of 256 characters', 'k'.repeat(256)],
    ['that is no ASCII', '\u00e9'],
    ['with a tab', 'a\tb'],
    ['given twice', ['a', 'b']],
    ['given twice, the same', ['a', 'a']],
  ])('with an Idempotency-Key %s is 400', async (_name, key) => {
    const answer = await post({ 'idempotency-key': key });
    expectProblem(answer, 400);
    expect(answer.body.errors[0].at).toBe('header/idempotency-key');
  });

  it.each(['k', 'k'.repeat(255), '"quoted"', 'a b', '~!@#$%^&*()_+'])(
    'with the Idempotency-Key %j go on to the user, and a 404 does not use the key up',
    async (key) => {
      for (let i = 0; i < 2; i += 1) {
        const answer = await post({ 'idempotency-key': key });
        expectProblem(answer, 404);
        expect(answer.headers['idempotent-replayed']).toBeUndefined();
      }
    },
  );

  it.each([
    'respond-async',
    'RESPOND-ASYNC, wait=10',
    'wait=-1',
    'respond-async=',
    ';;;',
    ',',
    '"',
    'respond-asynchronously',
    'x'.repeat(1_000),
  ])('with Prefer: %s are read as a wish, never refused', async (prefer) =>
    expectProblem(await post({ prefer }), 404),
  );

  it('with a Prefer that is no wish any more is 400', async () => {
    expectProblem(await post({ prefer: 'x'.repeat(1_001) }), 400);
  });
});

describe('a page of the connect flow', () => {
  const longQuery = `state=${'s'.repeat(10_000)}`;
  const odd = [
    '/connect/x',
    '/connect/x/go',
    '/connect/%00',
    '/connect/%ff',
    '/connect/..%2f..%2fetc%2fpasswd/go',
    `/connect/${'t'.repeat(5_000)}`,
    '/connect/x?utm=1&utm=2',
    '/oauth/callback/x',
    '/oauth/callback/x?state=y',
    '/oauth/callback/x?state=y&state=z',
    '/oauth/callback/x?state=%00',
    '/oauth/callback/x?state[]=y',
    '/oauth/callback/x?error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E',
    '/oauth/callback/x?status=success&connected_account_id=ca_1&connectedAccountId=ca_2',
    '/oauth/callback/x?connectedAccountId=%ff',
    '/oauth/callback/%ff',
    '/oauth/callback/%00?state=y',
    `/oauth/callback/x?${longQuery}`,
    `/oauth/callback/x?extra=${'e'.repeat(10_000)}`,
    `/oauth/callback/x?${Array.from({ length: 2_000 }, (_, i) => `p${i}=1`).join('&')}`,
  ];
  it.each(odd)(
    '%s is the one plain page of 400, with no cookie and nothing of what was sent',
    async (path) => {
      const own = new URL(api.url).host;
      const answer = await api.call('GET', path, { headers: { authorization: undefined, host: own } });
      const plain = await api.call('GET', '/connect/unknown', {
        headers: { authorization: undefined, host: own },
      });
      expect([answer.status, answer.text]).toEqual([400, plain.text]);
      expect(answer.headers['set-cookie']).toBeUndefined();
      expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
      expect(answer.headers['location']).toBeUndefined();
    },
  );

  it('asked for under another host sends to our own, never to the one that was named', async () => {
    for (const host of [
      'evil.example',
      'evil.example:80',
      '127.0.0.1',
      `${new URL(api.url).host}.evil.example`,
      'a@b',
    ]) {
      const answer = await api.call('GET', '/connect/x/go', {
        headers: { host, 'x-forwarded-host': 'evil.example' },
      });
      expect(answer.status).toBe(302);
      expect(answer.headers['location']).toBe(`${api.url}/connect/x/go`);
    }
  });

  it('does not hear of a key: what a browser sends along gives it nothing', async () => {
    const answer = await api.call('GET', '/connect/x', {
      headers: { authorization: `Bearer ${KEY}`, cookie: `bellhop-x=${'c'.repeat(4_000)}; ; =; a` },
    });
    expect(answer.status).toBe(400);
  });
});

describe('what is refused', () => {
  it('is told without the key, the value or a stack, whatever was sent', async () => {
    const canary = 'canary-7f3a';
    const bodies: unknown[] = [
      { [canary]: 1 },
      { userId: canary, task: { [canary]: canary } },
      `{"${canary}`,
      { tools: [canary, canary] },
      { metadata: canary },
      { connectTimeout: canary },
    ];
    for (const body of bodies) {
      const answer = await api.call('POST', '/v1/runs', { body });
      expectProblem(answer, 400);
      expect(answer.text).not.toContain(KEY);
      // An unknown name is told, so that a typing mistake can be found; a value never is.
      expect(answer.text.replaceAll(`body/${canary}`, '').replaceAll(`task/${canary}`, '')).not.toContain(
        canary,
      );
    }
    expect(api.logged()).not.toContain(canary);
    expect(api.logged()).not.toContain(KEY);
  });
});
