/** What only a raw socket can say: requests that are none, that never end, or that two readers could read differently. */
import type { RequestListener } from 'node:http';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startServer } from '../../api/server.ts';
import type { TestApi } from './setup/api.ts';
import { KEY, startTestApi } from './setup/api.ts';
import { expectProblem, expectUnharmed } from './setup/operations.ts';
import { sendRaw } from './setup/raw.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ noWorker: true });
});
afterAll(async () => {
  await expectUnharmed(api);
  await api.close();
});

const AUTH = `Authorization: Bearer ${KEY}`;
const head = (line: string, ...headers: string[]) => [line, 'Host: x', ...headers, '', ''].join('\r\n');
const put = (body: string | Buffer, ...headers: string[]): (string | Buffer)[] => [
  head('PUT /v1/users/raw HTTP/1.1', AUTH, `Content-Length: ${Buffer.byteLength(body)}`, ...headers),
  body,
];
const JSON_TYPE = 'Content-Type: application/json';
const one = async (...parts: (string | Buffer)[]) => {
  const [answer] = await sendRaw(api.port, { parts });
  if (!answer) throw new Error('no answer');
  return answer;
};

describe('what is no HTTP', () => {
  it.each<[string, string | Buffer]>([
    ['words', 'hello\r\n\r\n'],
    ['bytes', Buffer.from([0, 255, 13, 10, 0, 1, 2, 3, 13, 10, 13, 10])],
    ['a TLS handshake', Buffer.from('16030100a5010000a10303', 'hex')],
    ['a method that there is none of', head('FROBNICATE /healthz HTTP/1.1')],
    ['HTTP/9.9', head('GET /healthz HTTP/9.9')],
    [
      'a length and chunks at once',
      head('PUT /v1/users/a HTTP/1.1', AUTH, JSON_TYPE, 'Content-Length: 2', 'Transfer-Encoding: chunked') +
        '0\r\n\r\n',
    ],
    [
      'two lengths that differ',
      head('PUT /v1/users/a HTTP/1.1', AUTH, 'Content-Length: 2', 'Content-Length: 3') + '{}}',
    ],
    ['a negative length', head('PUT /v1/users/a HTTP/1.1', AUTH, 'Content-Length: -1')],
    ['a length that is no number', head('PUT /v1/users/a HTTP/1.1', AUTH, 'Content-Length: 0x10')],
    [
      'a chunk that lies about its size',
      head('PUT /v1/users/a HTTP/1.1', AUTH, JSON_TYPE, 'Transfer-Encoding: chunked') +
        'zz\r\n{}\r\n0\r\n\r\n',
    ],
    [
      'chunks that are not the last encoding',
      head('PUT /v1/users/a HTTP/1.1', AUTH, 'Transfer-Encoding: chunked, gzip') + '0\r\n\r\n',
    ],
    ['a NUL in a header', head('GET /healthz HTTP/1.1', 'X: a\0b')],
    ['a NUL in the path', head('GET /v1/users/\0 HTTP/1.1', AUTH)],
    ['a header with a space before its colon', head('GET /healthz HTTP/1.1', 'X : a')],
    ['a bare line feed inside a header', head('GET /healthz HTTP/1.1', 'X: a\n b')],
    ['no Host', `GET /healthz HTTP/1.1\r\n\r\n`],
    ['two Hosts', head('GET /healthz HTTP/1.1', 'Host: y')],
    ['two Hosts on a page', head('GET /v1/users HTTP/1.1', AUTH, 'Host: y')],
  ])('%s is 400 as a problem', async (_name, text) => {
    const answer = await one(text);
    expectProblem({ ...answer, body: answer.body }, 400);
    expect(answer.body?.['code']).toBe('invalid_request');
  });

  it('headers of more than 16 kB are 431 as a problem, and a request line of that size too', async () => {
    const long = 'y'.repeat(17_000);
    for (const text of [
      head('GET /healthz HTTP/1.1', `X: ${long}`),
      head(`GET /v1/users/${long} HTTP/1.1`),
      head('GET /healthz HTTP/1.1', ...Array.from({ length: 2_500 }, (_, i) => `X-${i}: y`)),
    ]) {
      const answer = await one(text);
      expectProblem({ ...answer, body: answer.body }, 431);
    }
  });

  it('the answer arrives although the client has not finished sending', async () => {
    const body = 'z'.repeat(1_000_000);
    for (let i = 0; i < 20; i += 1) {
      const answer = await one(
        head('POST /v1/runs HTTP/1.1', `X: ${'y'.repeat(20_000)}`, 'Content-Length: 1000000') + body,
      );
      expect(answer.status).toBe(431);
    }
  });

  it('closes the connection, and reads nothing of what follows as a request', async () => {
    const answers = await sendRaw(api.port, { parts: [`hello\r\n\r\n${head('GET /healthz HTTP/1.1')}`] }, 2);
    expect(answers.map(({ status }) => status)).toEqual([400]);
    expect(answers[0]?.headers['connection']).toBe('close');
  });
});

describe('what is HTTP of another kind', () => {
  it.each<[string, number, string]>([
    ['HTTP/1.0 without Host', 200, 'GET /healthz HTTP/1.0\r\n\r\n'],
    ['an absolute address', 200, head(`GET http://evil.example/healthz HTTP/1.1`)],
    ['an absolute address of something else', 404, head(`GET http://evil.example/nothing HTTP/1.1`)],
    ['OPTIONS *', 404, head('OPTIONS * HTTP/1.1')],
    ['TRACE', 405, head('TRACE /v1/users HTTP/1.1', AUTH)],
    ['a path that climbs', 404, head('GET /v1/users/../../etc/passwd HTTP/1.1', AUTH)],
    ['a path with backslashes', 404, head('GET /v1\\users HTTP/1.1', AUTH)],
    ['an empty segment', 404, head('GET //v1/users HTTP/1.1', AUTH)],
    ['a fragment, which is no part of the path', 200, head('GET /v1/users#x HTTP/1.1', AUTH)],
    ['bad percent-encoding', 404, head('GET /v1/users/%zz HTTP/1.1', AUTH)],
    ['percent-encoding that is no UTF-8', 404, head('GET /v1/users/%ed%a0%80 HTTP/1.1', AUTH)],
    [
      'an upgrade that nobody offers',
      200,
      head('GET /healthz HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket'),
    ],
    ['HTTP/2 prior knowledge', 400, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    [
      'a method in a header, which is ignored',
      200,
      head('GET /v1/users HTTP/1.1', AUTH, 'X-HTTP-Method-Override: DELETE'),
    ],
    [
      'an address in headers, which is ignored',
      401,
      head(
        'GET /v1/users HTTP/1.1',
        'X-Forwarded-For: 127.0.0.1',
        'X-Real-IP: 127.0.0.1',
        'X-Forwarded-User: admin',
      ),
    ],
    [
      'a rewritten URL in headers, which is ignored',
      200,
      head('GET /healthz HTTP/1.1', 'X-Original-URL: /v1/users', 'X-Rewrite-URL: /v1/users'),
    ],
    [
      'a wish for XML, which is ignored',
      200,
      head('GET /v1/users HTTP/1.1', AUTH, 'Accept: application/xml'),
    ],
  ])('%s is %i', async (_name, status, text) => {
    const answer = await one(text);
    expect(answer.status).toBe(status);
    if (status >= 400) expectProblem({ ...answer, body: answer.body }, status);
  });

  it('an expectation that is none of HTTP’s is 417', async () => {
    expect(
      (await one(head('PUT /v1/users/a HTTP/1.1', AUTH, 'Expect: miracles', 'Content-Length: 2') + '{}'))
        .status,
    ).toBe(417);
  });

  it('a body that waits to be asked for is asked for, after the key was looked at', async () => {
    const ask = (auth: string) =>
      sendRaw(
        api.port,
        {
          parts: [
            head('PUT /v1/users/raw HTTP/1.1', auth, JSON_TYPE, 'Content-Length: 2', 'Expect: 100-continue'),
            '{}',
          ],
          pauseMs: 100,
        },
        2,
      );
    expect((await ask(AUTH)).map(({ status }) => status)).toEqual([100, 201]);
    expect((await ask('X: y')).map(({ status }) => status).at(-1)).toBe(401);
  });

  it('HEAD has the status and headers of GET and no body; it is no way into a click or a callback', async () => {
    const [get, head] = [await api.call('GET', '/v1/users'), await api.call('HEAD', '/v1/users')];
    expect([head.status, head.headers['content-type'], head.text]).toEqual([
      200,
      get.headers['content-type'],
      '',
    ]);
    for (const path of ['/connect/x/go', '/oauth/callback/x'])
      expect((await api.call('HEAD', path)).status).toBe(405);
  });

  it('ten requests in one write get ten answers, in their order', async () => {
    const answers = await sendRaw(
      api.port,
      {
        parts: [
          Array.from({ length: 10 }, (_, i) =>
            head(`GET ${i % 2 === 0 ? '/healthz' : `/nothing-${i}`} HTTP/1.1`),
          ).join(''),
        ],
      },
      10,
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 404, 200, 404, 200, 404, 200, 404, 200, 404]);
  });

  it('garbage behind a good request does not spoil the answer to it', async () => {
    const answers = await sendRaw(
      api.port,
      { parts: [head('GET /v1/users?limit=1 HTTP/1.1', AUTH), 'garbage\r\n\r\n'], pauseMs: 200 },
      2,
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 400]);
  });
});

describe('a body that is encoded', () => {
  it.each<[string, number, Buffer, string[]]>([
    ['gzip', 415, gzipSync('{}'), ['Content-Encoding: gzip']],
    ['gzip that is garbage', 415, Buffer.from('not gzip'), ['Content-Encoding: gzip']],
    ['gzip of 50 MB of zeros', 415, gzipSync(Buffer.alloc(50_000_000)), ['Content-Encoding: gzip']],
    ['an encoding that there is none of', 415, Buffer.from('{}'), ['Content-Encoding: frob']],
    ['identity', 200, Buffer.from('{}'), ['Content-Encoding: identity']],
    [
      'a charset that there is none of',
      415,
      Buffer.from('{}'),
      ['Content-Type: application/json; charset=frob'],
    ],
    ['UTF-16', 415, Buffer.from('{}', 'utf16le'), ['Content-Type: application/json; charset=utf-16']],
    ['UTF-16 that says nothing of it', 400, Buffer.from('{}', 'utf16le'), []],
    ['a multipart form', 415, Buffer.from('{}'), ['Content-Type: multipart/form-data; boundary=x']],
    ['two content types', 415, Buffer.from('{}'), ['Content-Type: application/json, text/plain']],
    ['merge-patch', 415, Buffer.from('{}'), ['Content-Type: application/merge-patch+json']],
  ])('as %s is %i', async (_name, status, body, headers) => {
    const type = headers.some((header) => header.startsWith('Content-Type')) ? [] : [JSON_TYPE];
    const answer = await one(...put(body, ...type, ...headers));
    expect(answer.status).toBe(status);
    if (status >= 400) expectProblem({ ...answer, body: answer.body }, status);
  });
});

describe('a client that is slow', () => {
  it('with its headers or its body is answered 408 and closed; a quick one beside it is served', async () => {
    const app: RequestListener = (req, res) => {
      req.resume();
      req.on('end', () => res.end('ok'));
    };
    const server = await startServer(app, 0, {
      headersTimeoutMs: 300,
      requestTimeoutMs: 600,
      checkIntervalMs: 50,
    });
    try {
      const trickle = (text: string) => sendRaw(server.port, { parts: text.split(''), pauseMs: 40 });
      const slow = Promise.all([
        trickle(head('GET /healthz HTTP/1.1', 'X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy')),
        sendRaw(server.port, {
          parts: [
            head('PUT / HTTP/1.1', 'Content-Length: 100'),
            ...'{"a":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'.split(''),
          ],
          pauseMs: 40,
        }),
        sendRaw(server.port, { parts: [head('PUT / HTTP/1.1', 'Content-Length: 100')] }),
      ]);
      const [quick] = await sendRaw(server.port, { parts: [head('GET / HTTP/1.1')] });
      expect(quick?.status).toBe(200);
      for (const [answer] of await slow) {
        if (!answer) throw new Error('no answer');
        expectProblem({ ...answer, body: answer.body }, 408);
        expect(answer.headers['connection']).toBe('close');
      }
    } finally {
      await server.close();
    }
  });

  it('in the thousand, saying nothing, does not keep others out', async () => {
    const idle = Array.from({ length: 1_000 }, () => connect(api.port, '127.0.0.1'));
    await Promise.all(
      idle.map(
        (socket) =>
          new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject)),
      ),
    );
    expect((await one(head('GET /healthz HTTP/1.1'))).status).toBe(200);
    for (const socket of idle) socket.destroy();
  });

  it('that goes away in the middle of a body, a hundred times, leaves nothing behind', async () => {
    await Promise.all(
      Array.from(
        { length: 100 },
        () =>
          new Promise<void>((resolve) => {
            const socket = connect(api.port, '127.0.0.1', () => {
              socket.write(
                head('PUT /v1/users/gone HTTP/1.1', AUTH, JSON_TYPE, 'Content-Length: 100') + '{"a":',
                () => socket.destroy(),
              );
            });
            socket.once('close', () => resolve());
          }),
      ),
    );
    expect((await api.call('GET', '/v1/users/gone')).status).toBe(404);
  });
});
