/** One exchange over a real socket: what is decoded, what is bounded, what is not followed. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { exchangeHttp } from '../../net/http-exchange.ts';

let server: Server | null = null;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function ask(listener: RequestListener, { signal = new AbortController().signal } = {}) {
  server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server?.once('listening', resolve));
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/some/path?x=1`);
  return await exchangeHttp(url, { method: 'POST', headers: { 'x-own': 'ä' }, body: '{"a":"ü"}', signal });
}

const TEXT = JSON.stringify({ name: 'Zoë', filler: 'x'.repeat(10_000) });
const CODINGS = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync } as const;

describe('an answer', () => {
  test('has its status, its headers in any case, repeated ones joined, and its text', async () => {
    const answer = await ask((_, res) =>
      res.writeHead(418, { 'X-Some': 'thing', 'set-cookie': ['a=1', 'b=2'] }).end(TEXT),
    );
    expect([answer.status, answer.headers.get('x-SOME'), answer.headers.get('absent')]).toEqual([
      418,
      'thing',
      null,
    ]);
    expect(answer.headers.get('set-cookie')).toBe('a=1, b=2');
    expect(await answer.text(TEXT.length * 2)).toBe(TEXT);
  });
  test.each(Object.keys(CODINGS) as (keyof typeof CODINGS)[])('in %s is decoded', async (coding) => {
    const answer = await ask((_, res) =>
      res.writeHead(200, { 'content-encoding': coding }).end(CODINGS[coding](TEXT)),
    );
    expect(await answer.text(1_000_000)).toBe(TEXT);
  });
  test.each(Object.keys(CODINGS) as (keyof typeof CODINGS)[])(
    'in %s that is small on the wire and large once decoded is not read further than allowed',
    async (coding) => {
      const bomb = CODINGS[coding](Buffer.alloc(50_000_000));
      expect(bomb.byteLength).toBeLessThan(100_000);
      const answer = await ask((_, res) =>
        res.writeHead(200, { 'content-encoding': coding, 'content-length': bomb.byteLength }).end(bomb),
      );
      expect(await answer.text(100_000)).toBe(null);
    },
  );
  test('whose declared length is too large is not read at all', async () => {
    const answer = await ask((_, res) => {
      res.writeHead(200, { 'content-length': '1000000' }).write('x');
    });
    expect(await answer.text(1_000)).toBe(null);
  });
  test('that breaks off rejects: whole, compressed and without a length', async () => {
    const broken: RequestListener[] = [
      (_, res) => void res.writeHead(200, { 'content-length': '100' }).write('x', () => res.destroy()),
      (_, res) => {
        res.writeHead(200, { 'content-encoding': 'gzip' });
        res.write(gzipSync(TEXT).subarray(0, 60), () => setTimeout(() => res.destroy(), 20));
      },
      (_, res) => void res.writeHead(200).write('x', () => setTimeout(() => res.destroy(), 20)),
    ];
    for (const listener of broken) {
      const answer = await ask(listener);
      await expect(answer.text(1_000_000)).rejects.toThrow();
      server?.closeAllConnections();
      server?.close();
    }
  });
  test('that is a redirect is an answer, and nobody follows it', async () => {
    let asked = 0;
    const answer = await ask((_, res) => {
      asked += 1;
      res.writeHead(307, { location: '/elsewhere' }).end();
    });
    expect([answer.status, await answer.text(10), asked]).toEqual([307, '', 1]);
  });
});

test('the request is sent as UTF-8, with the headers that were given', async () => {
  const answer = await ask((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () =>
      res.end(JSON.stringify([req.method, req.url, req.headers['x-own'], Buffer.concat(chunks).toString()])),
    );
  });
  expect(JSON.parse((await answer.text(1_000)) ?? '')).toEqual(['POST', '/some/path?x=1', 'ä', '{"a":"ü"}']);
});

test('an abort ends a request that nobody answers, with the reason it was given', async () => {
  const controller = new AbortController();
  const answered = ask(() => controller.abort(new Error('enough')), { signal: controller.signal });
  await expect(answered).rejects.toThrow('enough');
});
