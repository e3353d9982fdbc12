/** The wire itself: deadlines, sizes, redirects, hosts, and what is known to have been sent. */
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Transport, WireRequest } from '../../composio/transport.ts';
import { createTransport, MAX_ANSWER_BYTES, pathSegment, TransportError } from '../../composio/transport.ts';
import type { ScriptedServer } from './scripted-server.ts';
import { answerJson, answerText, createScriptedServer } from './scripted-server.ts';

let server: ScriptedServer;
let transport: Transport;
beforeEach(async () => {
  server = await createScriptedServer();
  transport = createTransport({ apiKey: 'the-key', baseUrl: server.url });
});
afterEach(async () => {
  await server.close();
});

const get = (change: Partial<WireRequest> = {}): WireRequest => ({
  method: 'GET',
  path: '/tools',
  timeoutMs: 2_000,
  ...change,
});

async function errorOf(work: Promise<unknown>): Promise<TransportError> {
  const error = await work.then(
    () => new Error('it was answered'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof TransportError) return error;
  throw error;
}

describe('deadlines', () => {
  it('ends at the deadline against a server that trickles one byte at a time', async () => {
    server.script = (_asked, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write('x'), 20);
      response.on('close', () => clearInterval(drip));
    };
    const start = performance.now();
    expect(await errorOf(transport.send(get({ timeoutMs: 300 })))).toMatchObject({
      reason: 'deadline',
      sent: true,
    });
    expect(performance.now() - start).toBeLessThan(30_000);
  });

  it('ends at the deadline against a server that says nothing', async () => {
    server.script = () => undefined;
    expect(await errorOf(transport.send(get({ timeoutMs: 100 })))).toMatchObject({
      reason: 'deadline',
      sent: true,
    });
  });

  it('ends when the caller gives up, and sends nothing when it already has', async () => {
    server.script = () => undefined;
    const controller = new AbortController();
    const work = errorOf(transport.send(get({ signal: controller.signal })));
    setTimeout(() => controller.abort(), 50);
    expect(await work).toMatchObject({ reason: 'aborted', sent: true });
    const asked = server.asked.length;
    expect(await errorOf(transport.send(get({ signal: controller.signal })))).toMatchObject({ sent: false });
    expect(server.asked.length).toBe(asked);
  });

  it('sends nothing when the caller gives up while beforeSend runs', async () => {
    const controller = new AbortController();
    const beforeSend = async (): Promise<void> => controller.abort();
    const error = await errorOf(transport.send(get({ signal: controller.signal, beforeSend })));
    expect(error).toMatchObject({ reason: 'aborted', sent: false });
    expect(server.asked).toHaveLength(0);
  });
});

describe('sizes', () => {
  const mebibyte = Buffer.alloc(1024 * 1024, 'x');
  const tooMany = MAX_ANSWER_BYTES / mebibyte.length + 1;

  it('stops reading at the cap, however the answer is framed', async () => {
    server.script = (_asked, response) => {
      response.writeHead(200);
      let left = 1_000;
      const pump = (): void => {
        while (left-- > 0) if (!response.write(mebibyte)) return void response.once('drain', pump);
        response.end();
      };
      pump();
    };
    expect(await errorOf(transport.send(get({ timeoutMs: 20_000 })))).toMatchObject({
      reason: 'too_large',
      sent: true,
    });
  });

  it('refuses a declared size above the cap without reading it', async () => {
    server.script = (_asked, response) => {
      response.writeHead(200, { 'content-length': String(MAX_ANSWER_BYTES + 1) });
      response.write('x');
    };
    expect(await errorOf(transport.send(get()))).toMatchObject({ reason: 'too_large' });
  });

  it('counts what a compressed answer unpacks to', async () => {
    const bomb = gzipSync(Buffer.alloc(tooMany * mebibyte.length, 'x'));
    server.script = (_asked, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': String(bomb.length) });
      response.end(bomb);
    };
    expect(bomb.length).toBeLessThan(1024 * 1024);
    expect(await errorOf(transport.send(get({ timeoutMs: 20_000 })))).toMatchObject({ reason: 'too_large' });
  });

  it('tells an error by its status even when its body is huge or breaks off', async () => {
    server.script = answerText(503, 'x'.repeat(2 * 1024 * 1024));
    expect(await transport.send(get())).toMatchObject({ status: 503, text: '' });
    server.script = (_asked, response) => {
      response.writeHead(410, { 'content-length': '100' });
      response.write('{', () => response.destroy());
    };
    expect(await transport.send(get())).toMatchObject({ status: 410, text: '' });
  });

  it('reads what is no UTF-8 with replacement characters, whether its length was declared or not', async () => {
    for (const headers of [{}, { 'content-length': '7' }]) {
      server.script = (_asked, response) => {
        response.writeHead(200, headers);
        response.end(Buffer.from([0x22, 0xff, 0xc3, 0x28, 0xe9, 0x80, 0x22]));
      };
      const text = JSON.parse((await transport.send(get())).text) as string;
      expect(text).toBe('\uFFFD\uFFFD(\uFFFD');
    }
  });

  it('reads text that is split inside a character', async () => {
    const body = Buffer.from(JSON.stringify({ text: 'grüße 🙂' }));
    server.script = (_asked, response) => {
      response.writeHead(200);
      for (const byte of body) response.write(Buffer.from([byte]));
      response.end();
    };
    expect(JSON.parse((await transport.send(get())).text)).toEqual({ text: 'grüße 🙂' });
  });
});

describe('addresses', () => {
  it.each([301, 302, 303, 307, 308])(
    'gives a %i as the answer and does not go where it points',
    async (status) => {
      const elsewhere = await createScriptedServer();
      server.script = answerText(status, '', { location: `${elsewhere.url}/stolen` });
      expect((await transport.send(get())).status).toBe(status);
      expect(elsewhere.asked).toHaveLength(0);
      await elsewhere.close();
    },
  );

  it.each([
    '/../../v1/x',
    '/../v1/tools',
    '/%2e%2e/%2e%2e/v1',
    '//evil.example/x/../../../..',
    '@evil.example/',
  ])('refuses the path %j with zero requests', async (path) => {
    const error = await errorOf(transport.send(get({ path })));
    expect(error).toMatchObject({ reason: 'refused', sent: false });
    expect(server.asked).toHaveLength(0);
  });

  it('refuses segments that would step to another path, and encodes the rest', () => {
    for (const text of ['', '.', '..']) expect(() => pathSegment(text)).toThrow(RangeError);
    expect(pathSegment('a/b?c#d')).toBe('a%2Fb%3Fc%23d');
  });

  it.each(['', '/', '/api/v3.1', '/api/v3', '/api/v3.1/'])(
    'takes a base URL that ends in %j',
    async (ending) => {
      await createTransport({ apiKey: 'k', baseUrl: server.url + ending }).send(get());
      expect(server.asked[0]?.url).toBe('/api/v3.1/tools');
    },
  );

  it.each(['ftp://x', 'not a url', 'http://user:pw@x', 'http://x/?a=1'])(
    'refuses the base URL %j',
    (baseUrl) => {
      expect(() => createTransport({ apiKey: 'k', baseUrl })).toThrow();
    },
  );

  it('sends the key once, and the headers that Composio knows', async () => {
    server.script = answerJson(200, {});
    await transport.send({ ...get(), method: 'POST', body: '{}', headers: { 'x-source': 'js_sdk' } });
    const headers = server.asked[0]?.headers ?? {};
    expect(headers).toMatchObject({
      'x-api-key': 'the-key',
      'x-source': 'js_sdk',
      'content-type': 'application/json',
    });
    expect(Object.entries(headers).filter(([, value]) => String(value).includes('the-key'))).toHaveLength(1);
  });
});

describe('what was sent', () => {
  it('knows that a refused connection and an unknown name sent nothing', async () => {
    await server.close();
    expect(await errorOf(transport.send(get()))).toMatchObject({ reason: 'unreachable', sent: false });
    const nowhere = createTransport({ apiKey: 'k', baseUrl: 'http://composio.invalid' });
    expect(await errorOf(nowhere.send(get()))).toMatchObject({ reason: 'unreachable', sent: false });
    server = await createScriptedServer();
  });

  it.each([
    ['answers in plain text', (socket: Socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['hangs up', (socket: Socket) => void socket.destroy()],
  ])('knows that nothing was sent to a server that %s when TLS is offered', async (_how, treat) => {
    const sockets: Socket[] = [];
    const plain = createServer((socket) => {
      sockets.push(socket);
      treat(socket);
    });
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const { port } = plain.address() as AddressInfo;
    const tls = createTransport({ apiKey: 'k', baseUrl: `https://127.0.0.1:${String(port)}` });
    expect(await errorOf(tls.send(get()))).toMatchObject({ reason: 'unreachable', sent: false });
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => plain.close(resolve));
  });

  it('claims nothing when the connection is cut before, within or after the headers', async () => {
    for (const cut of ['none', 'headers', 'body'] as const) {
      server.script = (_asked, response) => {
        if (cut === 'none') return void response.socket?.destroy();
        response.writeHead(200, { 'content-length': '10' });
        if (cut === 'headers') return void response.write('', () => response.destroy());
        response.write('12345', () => response.destroy());
      };
      expect(await errorOf(transport.send({ ...get(), method: 'POST', body: '{}' }))).toMatchObject({
        sent: true,
      });
    }
  });
});
