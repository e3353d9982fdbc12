/** One POST to a receiver that is slow, huge, broken, elsewhere or not there: what is sent, and what is made of the answer. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { type AddressInfo, type Server as NetServer, createServer as createNetServer } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { Webhook } from 'standardwebhooks';
import { afterEach, describe, expect, test } from 'vitest';
import { type Answer, createPost } from '../../activities/post-notice.ts';
import { until } from '../setup/until.ts';

const SECRET = `whsec_${Buffer.from('a secret of the integrator').toString('base64')}`;
const notice = {
  id: 'notice-1',
  body: JSON.stringify({ type: 'run.failed', data: { text: 'grün' } }),
  at: new Date(),
};
const TIMEOUT_MS = 1_500;
const post = createPost(TIMEOUT_MS);

const open: (Server | NetServer)[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.unref().close();
  }
});
async function listen(server: Server | NetServer): Promise<string> {
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
type Seen = { readonly headers: IncomingMessage['headers']; readonly text: string; readonly url: string };
/** A receiver that keeps what came and answers with `answer`. */
async function receive(answer: (response: ServerResponse) => void): Promise<{ host: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      let text = '';
      for await (const chunk of request) text += String(chunk);
      seen.push({ headers: request.headers, text, url: request.url ?? '' });
      answer(response);
    })();
  });
  return { host: await listen(server), seen };
}
/** A server of bare bytes. */
const receiveRaw = (answer: (write: (bytes: string) => void, end: () => void) => void): Promise<string> =>
  listen(
    createNetServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () =>
        answer(
          (bytes) => void socket.write(bytes),
          () => socket.resetAndDestroy(),
        ),
      );
    }),
  );
const to = (host: string, secret = SECRET) => ({ url: `http://${host}/hook?a=b`, secret });
async function timed(work: Promise<Answer>): Promise<Answer & { ms: number }> {
  const from = performance.now();
  const answer = await work;
  return { ...answer, ms: performance.now() - from };
}

describe('what is sent', () => {
  test.each([
    ['with its prefix', SECRET, SECRET],
    ['without its prefix', SECRET.slice(6), SECRET],
  ])('verifies with the standard’s library: a secret %s', async (_name, secret, theirs) => {
    const { host, seen } = await receive((response) => response.writeHead(204).end());
    expect(await post(to(host, secret), notice)).toEqual({
      httpStatus: 204,
      error: null,
      retryAfterMs: null,
    });
    const [request] = seen;
    expect(request?.url).toBe('/hook?a=b');
    expect(request?.headers['content-type']).toBe('application/json');
    expect(request?.headers['webhook-id']).toBe('notice-1');
    expect(
      new Webhook(theirs).verify(request?.text ?? '', request?.headers as Record<string, string>),
    ).toEqual(JSON.parse(notice.body));
  });

  test('carries the login that the URL has', async () => {
    const { host, seen } = await receive((response) => response.end());
    await post({ url: `http://me:secret%20word@${host}/`, secret: SECRET }, notice);
    expect(seen[0]?.headers.authorization).toBe(`Basic ${Buffer.from('me:secret word').toString('base64')}`);
  });

  test('goes through connections that are open already', async () => {
    let connections = 0;
    const { host } = await receive((response) => response.end('{"ok":true}'));
    open.at(-1)?.on('connection', () => (connections += 1));
    for (let i = 0; i < 20; i += 1) expect((await post(to(host), notice)).error).toBeNull();
    // The first one is free again only a moment after its answer.
    expect(connections).toBeLessThanOrEqual(2);
  });

  test('goes again at once when a kept connection turns out to be closed, and that is no failure', async () => {
    let isClosing = false;
    let requests = 0;
    const server = createNetServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => {
        requests += 1;
        if (isClosing) {
          isClosing = false;
          socket.resetAndDestroy();
        } else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nkeep-alive: timeout=60\r\n\r\n');
      });
    });
    const host = await listen(server);
    expect((await post(to(host), notice)).error).toBeNull();
    await new Promise((resolve) => setTimeout(resolve, 50));
    isClosing = true;
    expect(await post(to(host), notice)).toMatchObject({ httpStatus: 200, error: null });
    expect(requests).toBe(3);
  });
});

describe('an answer', () => {
  test.each([200, 201, 202, 204, 299])('%i is a delivery', async (status) => {
    const { host } = await receive((response) => response.writeHead(status).end());
    expect(await post(to(host), notice)).toMatchObject({ httpStatus: status, error: null });
  });

  test.each([300, 304, 400, 401, 404, 410, 422, 429, 500, 503])('%i is none', async (status) => {
    const { host } = await receive((response) => response.writeHead(status).end());
    expect(await post(to(host), notice)).toMatchObject({ httpStatus: status, error: `HTTP ${status}` });
  });

  test.each([301, 302, 303, 307, 308])('%i is none, and where it points gets nothing', async (status) => {
    const other = await receive((response) => response.end());
    const { host } = await receive((response) =>
      response.writeHead(status, { location: `http://${other.host}/stolen` }).end(),
    );
    expect(await post(to(host), notice)).toMatchObject({ httpStatus: status, error: `HTTP ${status}` });
    expect(other.seen).toEqual([]);
  });

  test.each([
    ['seconds', '7', 7_000],
    ['more than half a day', '999999999', 12 * 3_600_000],
    ['nonsense', 'soon', null],
    ['a negative number', '-5', null],
  ])('asks for patience in %s', async (_name, value, expected) => {
    const { host } = await receive((response) => response.writeHead(503, { 'retry-after': value }).end());
    expect((await post(to(host), notice)).retryAfterMs).toBe(expected);
  });

  test('asks for patience by a date, read against the server’s own clock', async () => {
    const now = Date.parse('2026-03-01T00:00:00Z');
    const { host } = await receive((response) =>
      response
        .writeHead(429, {
          date: new Date(now).toUTCString(),
          'retry-after': new Date(now + 90_000).toUTCString(),
        })
        .end(),
    );
    expect((await post(to(host), notice)).retryAfterMs).toBe(90_000);
  });

  test('200 followed by a reset is a delivery: only the status is read', async () => {
    const host = await receiveRaw((write, reset) => {
      write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf of i');
      setTimeout(reset, 50);
    });
    expect(await post(to(host), notice)).toMatchObject({ httpStatus: 200, error: null });
    await new Promise((resolve) => setTimeout(resolve, 200));
  });

  test('a body without end is cut, and its status counts at once', async () => {
    let written = 0;
    let isClosed = false;
    const { host } = await receive((response) => {
      response.on('close', () => (isClosed = true));
      const chunk = Buffer.alloc(64 * 1024);
      const more = (): void => {
        if (isClosed) return;
        written += chunk.length;
        response.write(chunk, () => setImmediate(more));
      };
      more();
    });
    const answer = await timed(post(to(host), notice));
    expect(answer).toMatchObject({ httpStatus: 200, error: null });
    expect(answer.ms).toBeLessThan(TIMEOUT_MS);
    await until('the connection’s end', async () => isClosed);
    // What the two sockets hold, and not what the receiver would have sent.
    expect(written).toBeLessThan(32 * 1024 * 1024);
  });

  test('headers that come byte by byte are waited for until the whole time is over', async () => {
    const timers: NodeJS.Timeout[] = [];
    const host = await receiveRaw((write) => {
      write('HTTP/1.1 200 OK\r\n');
      timers.push(setInterval(() => write('x'), 50));
    });
    const answer = await timed(post(to(host), notice));
    for (const timer of timers) clearInterval(timer);
    expect(answer).toMatchObject({ httpStatus: null, error: 'timeout' });
    expect(answer.ms).toBeGreaterThan(TIMEOUT_MS - 100);
    expect(answer.ms).toBeLessThan(TIMEOUT_MS * 3);
  });

  test('that never comes is a failure by name', async () => {
    const host = await receiveRaw(() => undefined);
    expect(await post(to(host), notice)).toEqual({ httpStatus: null, error: 'timeout', retryAfterMs: null });
  });

  test('that is no HTTP, and none at all, are failures by name', async () => {
    const nonsense = await receiveRaw((write) => write('220 mail.example ESMTP\r\n'));
    expect(await post(to(nonsense), notice)).toMatchObject({
      httpStatus: null,
      error: 'HPE_INVALID_CONSTANT',
    });
    const reset = await receiveRaw((_write, end) => end());
    expect(await post(to(reset), notice)).toMatchObject({ httpStatus: null, error: 'ECONNRESET' });
  });
});

describe('a receiver that is not there', () => {
  test('refuses the connection', async () => {
    const { host } = await receive((response) => response.end());
    const [server] = open.splice(0);
    await new Promise((resolve) => server?.close(resolve));
    expect(await post(to(host), notice)).toMatchObject({ httpStatus: null, error: 'ECONNREFUSED' });
  });

  test('has no address', async () => {
    const { error } = await post({ url: 'http://nowhere.invalid/hook', secret: SECRET }, notice);
    expect(error).toMatch(/^(ENOTFOUND|EAI_AGAIN|timeout)$/);
  });

  test('has a certificate that nobody trusts, or speaks no TLS', async () => {
    const strange = new SMTPServer({ secure: true, logger: false });
    strange.on('error', () => undefined);
    const address = await new Promise<AddressInfo>((resolve) => {
      const { server } = strange;
      strange.listen(0, '127.0.0.1', () => resolve(server.address() as AddressInfo));
    });
    const untrusted = await post({ url: `https://127.0.0.1:${address.port}/hook`, secret: SECRET }, notice);
    expect(untrusted.httpStatus).toBeNull();
    expect(untrusted.error).toMatch(/CERT|SIGNED|SIGNATURE|ALTNAME/);
    await new Promise<void>((resolve) => strange.close(() => resolve()));
    const { host, seen } = await receive((response) => response.end());
    const plain = await post({ url: `https://${host}/hook`, secret: SECRET }, notice);
    expect(plain.httpStatus).toBeNull();
    expect(plain.error).toMatch(/^(EPROTO|ERR_SSL_\w+)$/);
    expect(seen).toEqual([]);
  });
});
