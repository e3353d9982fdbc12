import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestApi } from './setup/api.ts';
import { KEY, send, startTestApi } from './setup/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ noWorker: true });
});
afterAll(async () => await api.close());

const put = (body: unknown, headers: Record<string, string | undefined> = {}) =>
  api.call('PUT', '/v1/users/alice', { body, headers });

describe('a key', () => {
  it.each([
    ['none', undefined],
    ['an empty one', ''],
    ['a wrong one', 'Bearer wrong'],
    ['a prefix of the right one', `Bearer ${KEY.slice(0, -1)}`],
    ['the right one with something behind it', `Bearer ${KEY} x`],
    ['Basic', `Basic ${Buffer.from(`x:${KEY}`).toString('base64')}`],
    ['no scheme', KEY],
    ['two headers', [`Bearer ${KEY}`, `Bearer ${KEY}`]],
  ])('%s is 401 with WWW-Authenticate, and the body is the same for all', async (_name, authorization) => {
    const answer = await api.call('GET', '/v1/users', {
      headers: { authorization: authorization as string },
    });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="bellhop"');
    expect({ ...answer.body, instance: '' }).toEqual({
      type: 'urn:bellhop:problem:unauthorized',
      title: 'A valid API key is needed',
      detail: 'A valid API key is needed.',
      status: 401,
      code: 'unauthorized',
      instance: '',
      errors: [],
    });
  });

  it('is asked for before the body is looked at', async () => {
    const answer = await put('{', { authorization: 'Bearer wrong' });
    expect(answer.status).toBe(401);
  });

  it('with the scheme in another case is let in', async () => {
    expect((await api.call('GET', '/v1/users', { headers: { authorization: `bearer ${KEY}` } })).status).toBe(
      200,
    );
  });
});

describe('a body', () => {
  it.each([
    ['malformed', '{"email":'],
    ['with a trailing comma', '{"email":"a@example.com",}'],
    ['with a byte order mark', '\uFEFF{}'],
    ['with a member twice', '{"displayName":"a","displayName":"b"}'],
    ['with a member twice, once escaped', String.raw`{"displayName":"a","display\u004eame":"b"}`],
    ['NaN', 'NaN'],
    ['null', 'null'],
    ['a list', '[]'],
    ['a string', '"x"'],
    ['with a wrong type', '{"displayName":1}'],
    ['with an unknown property', '{"admin":true}'],
    ['with __proto__', '{"__proto__":{"admin":true}}'],
    ['with __proto__ deep inside', '{"metadata":{"a":{"__proto__":1}}}'],
    ['with constructor.prototype', '{"constructor":{"prototype":{}}}'],
    ['with a NUL', String.raw`{"displayName":"a\u0000"}`],
    ['with a NUL in a key', String.raw`{"metadata":{"a\u0000":1}}`],
    ['with a lone surrogate', String.raw`{"displayName":"\ud800"}`],
    ['with a lone surrogate in a key', String.raw`{"metadata":{"\udc00":1}}`],
    ['with a number beyond a double', '{"metadata":{"a":1e400}}'],
    ['nested 20,000 deep', `{"metadata":{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}}`],
    ['nested 40 deep', `{"metadata":${'{"a":'.repeat(40)}1${'}'.repeat(40)}}`],
    ['that is not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
  ])('%s is 400', async (_name, body) => {
    const answer = await put(body);
    expect(answer.status).toBe(400);
    expect(answer.body.code).toBe('invalid_request');
    expect(answer.body.errors.length).toBeGreaterThan(0);
    expect(answer.text.isWellFormed()).toBe(true);
  });

  it('that is not there, where one is needed, is 400', async () => {
    expect((await api.call('POST', '/v1/runs')).status).toBe(400);
    // Every field of a user is optional, and so is the body that would hold them.
    expect((await api.call('PUT', '/v1/users/no-body')).status).toBe(201);
  });

  it('with pairs of surrogates, right-to-left text and emoji is kept as it is', async () => {
    const displayName = 'שלום 👩‍👩‍👧 é';
    const answer = await put({ displayName, metadata: { '👍': '‮x' } });
    expect(answer.status).toBeLessThan(300);
    expect(answer.body).toMatchObject({ displayName, metadata: { '👍': '‮x' } });
  });

  it('of 256 kB is read and one byte more is 413, with and without its length said beforehand', async () => {
    const fill = (size: number) => `{"metadata":{"a":"${'x'.repeat(size - 21)}"}}`;
    const most = 256 * 1024;
    expect(Buffer.byteLength(fill(most))).toBe(most);
    expect((await put(fill(most))).status).toBe(400); // read, and refused only for its metadata
    expect((await put(fill(most + 1))).status).toBe(413);
    const chunked = { 'content-length': undefined, 'transfer-encoding': 'chunked' };
    expect((await put(fill(most), chunked)).status).toBe(400);
    expect((await put(fill(most + 1), chunked)).status).toBe(413);
    expect((await put(fill(most * 8), chunked)).body.code).toBe('body_too_large');
  });

  it.each([
    ['no content type', { 'content-type': undefined }],
    ['text/plain', { 'content-type': 'text/plain' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['another charset', { 'content-type': 'application/json; charset=latin1' }],
    ['a compressed body', { 'content-encoding': 'gzip' }],
  ])('with %s is 415', async (_name, headers) => {
    expect((await put('{}', headers)).status).toBe(415);
  });

  it('with a charset of UTF-8 is read', async () => {
    expect((await put('{}', { 'content-type': 'Application/JSON; charset="UTF-8"' })).status).toBeLessThan(
      300,
    );
  });
});

describe('a query', () => {
  it.each([
    'limit=0',
    'limit=101',
    'limit=-1',
    'limit=1e2',
    'limit=1.5',
    'limit=',
    'limit=1&limit=2',
    'Limit=1',
    'a[b]=c',
    '__proto__=1',
    'cursor=',
    'cursor=x',
    'cursor=%00',
    'cursor=%ff',
    'cursor=%zz',
    'unknown=1',
  ])('?%s is 400', async (query) => {
    const answer = await api.call('GET', `/v1/users?${query}`);
    expect(answer.status).toBe(400);
  });

  it('with a cursor that was cut or edited is 400', async () => {
    await api.call('PUT', '/v1/users/c1', { body: {} });
    await api.call('PUT', '/v1/users/c2', { body: {} });
    const { nextCursor } = (await api.call('GET', '/v1/users?limit=1')).body;
    expect((await api.call('GET', `/v1/users?cursor=${nextCursor}`)).status).toBe(200);
    for (const bad of [nextCursor.slice(0, -1), nextCursor.slice(1), `${nextCursor}A`, `${nextCursor}=`]) {
      expect((await api.call('GET', `/v1/users?cursor=${bad}`)).status).toBe(400);
    }
    // A cursor of one list does not fit another.
    expect((await api.call('GET', `/v1/runs?cursor=${nextCursor}`)).status).toBe(400);
  });
});

describe('a path', () => {
  it.each([
    ['/', 404],
    ['/v1', 404],
    ['/v1/users/', 404],
    ['/V1/users', 404],
    ['/v1//users', 404],
    ['/v1/users/%zz', 404],
    ['/v1/users/%ff', 404],
    ['/v1/users/%00', 400],
    ['/v1/users/..', 404],
    ['/v1/users/%2e%2e', 404],
    ['/v1/users/nobody', 404],
    ['/v1/users/default', 404],
    ['/v1/runs/nothing', 404],
    ['/v1/runs/00000000-0000-0000-0000-000000000000', 404],
    ['/v1/connections/nothing', 404],
    ['/v1/audits/nothing', 404],
  ])('%s is %i', async (path, status) => {
    expect((await api.call('GET', path)).status).toBe(status);
  });

  it.each(['default', '.', '..', 'a b', 'a/b', 'é', '', 'x'.repeat(129), 'a\r\nb', 'a:b'])(
    'with the new user id %j is refused',
    async (userId) => {
      const path = userId.startsWith('.') ? userId.replaceAll('.', '%2e') : encodeURIComponent(userId);
      expect([400, 404]).toContain((await api.call('PUT', `/v1/users/${path}`, { body: {} })).status);
      expect(
        (await api.call('GET', '/v1/users?limit=100')).body.items.map((u: { userId: string }) => u.userId),
      ).not.toContain(userId);
    },
  );

  it('has the same body for a run that is unknown and one that cannot exist', async () => {
    const [a, b] = [
      await api.call('GET', '/v1/runs/x'),
      await api.call('GET', `/v1/runs/${'y'.repeat(3000)}`),
    ];
    expect({ ...a.body, instance: '' }).toEqual({ ...b.body, instance: '' });
  });
});

describe('a method', () => {
  it.each([
    ['DELETE', '/v1/users', 'GET, HEAD'],
    ['POST', '/v1/users/alice', 'PUT, GET, HEAD, DELETE'],
    ['PATCH', '/v1/runs', 'POST, GET, HEAD'],
    ['TRACE', '/v1/runs', 'POST, GET, HEAD'],
    ['OPTIONS', '/healthz', 'GET, HEAD'],
    ['POST', '/docs', 'GET, HEAD'],
    ['HEAD', '/connect/x/go', 'GET'],
  ])('%s %s is 405 with Allow: %s', async (method, path, allow) => {
    const answer = await api.call(method, path);
    expect(answer.status).toBe(405);
    expect(answer.headers['allow']).toBe(allow);
  });

  it('HEAD answers as GET does, without a body', async () => {
    const answer = await api.call('HEAD', '/healthz');
    expect(answer.status).toBe(200);
    expect(answer.text).toBe('');
  });
});

describe('every answer', () => {
  it.each(['/healthz', '/v1/users', '/nope', '/docs', '/openapi.json', '/connect/x'])(
    'to %s may not be cached, framed, scripted or sniffed, and names the request',
    async (path) => {
      const { headers } = await api.call('GET', path);
      expect(headers['cache-control']).toBe('no-store');
      expect(headers['content-security-policy']).toContain("default-src 'none'");
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
      expect(headers['content-security-policy']).not.toMatch(/script|unsafe/);
      expect(headers['referrer-policy']).toBe('no-referrer');
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['x-powered-by']).toBeUndefined();
      expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    },
  );

  it('carries an id of our own as the instance of a problem, whatever id the caller sends', async () => {
    const answer = await api.call('GET', '/nope', { headers: { 'x-request-id': 'mine' } });
    expect(answer.body.instance).toBe(answer.headers['x-request-id']);
    expect(answer.body.instance).not.toBe('mine');
  });

  it('that is a problem has all seven members, and an empty list of errors where no field is wrong', async () => {
    const members = ['code', 'detail', 'errors', 'instance', 'status', 'title', 'type'];
    const [unknown, invalid] = [
      await api.call('GET', '/v1/runs/x'),
      await api.call('GET', '/v1/runs?limit=0'),
    ];
    expect(Object.keys(unknown.body).sort()).toEqual(members);
    expect(unknown.body.errors).toEqual([]);
    expect(Object.keys(invalid.body).sort()).toEqual(members);
    expect(invalid.body.errors).toEqual([{ at: 'query/limit', message: expect.any(String) as string }]);
    for (const { headers } of [unknown, invalid])
      expect(headers['content-type']).toMatch(/^application\/problem\+json/);
  });
});

describe('the wire', () => {
  it.each([
    ['garbage', 400, 'hello\r\n\r\n'],
    ['headers of 20 kB', 431, `GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`],
    [
      'a length and chunks at once',
      400,
      'PUT /v1/users/a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}',
    ],
    ['no Host', 400, 'GET /healthz HTTP/1.1\r\n\r\n'],
  ])('answers %s with %i', async (_name, status, text) => {
    const first = await new Promise<string>((resolve, reject) => {
      const socket = connect(api.port, '127.0.0.1', () => socket.write(text));
      socket.once('data', (chunk) => resolve(chunk.toString().split('\r\n')[0] ?? ''));
      socket.once('close', () => resolve(''));
      socket.once('error', reject);
    });
    expect(first).toContain(` ${status} `);
  });

  it('survives a client that goes away in the middle of a body', async () => {
    await new Promise<void>((resolve) => {
      const socket = connect(api.port, '127.0.0.1', () => {
        socket.write(
          `PUT /v1/users/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"a":`,
        );
        setTimeout(() => socket.destroy(), 50);
      });
      socket.once('close', () => resolve());
    });
    expect((await send(api.url, 'GET', '/healthz', {})).status).toBe(200);
  });
});
