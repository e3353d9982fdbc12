/** The fault proxy, before a plain TCP server that answers each line. */
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FaultProxy, startFaultProxy } from '../../chaos/fault-proxy.ts';

let server: Server;
let proxy: FaultProxy;
let heard: string[];
const sockets: Socket[] = [];

async function startEcho(): Promise<{ server: Server; port: number }> {
  const echo = createServer((socket) => {
    socket.on('data', (chunk) => {
      heard.push(String(chunk));
      socket.write(`echo ${String(chunk)}`);
    });
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  return { server: echo, port: (echo.address() as AddressInfo).port };
}

beforeEach(async () => {
  heard = [];
  const echo = await startEcho();
  server = echo.server;
  proxy = await startFaultProxy([echo.port]);
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await proxy.close();
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

/** A client; `next` is what comes next, or how the connection ended. */
async function dial() {
  const socket = connect({ port: proxy.port, host: '127.0.0.1' });
  sockets.push(socket);
  const inbox: string[] = [];
  const waiting: ((text: string) => void)[] = [];
  const put = (text: string): void => {
    const taker = waiting.shift();
    if (taker) taker(text);
    else inbox.push(text);
  };
  socket.on('data', (chunk) => put(String(chunk)));
  socket.on('error', (error: NodeJS.ErrnoException) => put(error.code ?? 'error'));
  socket.on('end', () => put('end'));
  return {
    say: (text: string) => void socket.write(text),
    next: (): Promise<string> => {
      const ready = inbox.shift();
      return ready === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(ready);
    },
    end: () => void socket.end(),
  };
}
const within = (promise: Promise<string>, ms: number): Promise<string> =>
  Promise.race([promise, new Promise<string>((resolve) => setTimeout(() => resolve('nothing'), ms))]);

test('without a fault it passes everything on, both ways', async () => {
  const client = await dial();
  client.say('one');
  expect(await client.next()).toBe('echo one');
  client.end();
  expect(await client.next()).toBe('end');
});

test('reset cuts what is open and lets new connections through', async () => {
  const client = await dial();
  client.say('one');
  await client.next();
  proxy.begin({ how: 'reset' });
  expect(await client.next()).toBe('ECONNRESET');
  const other = await dial();
  other.say('two');
  expect(await other.next()).toBe('echo two');
});

test('refuse cuts new connections too, until it ends', async () => {
  proxy.begin({ how: 'refuse' });
  const client = await dial();
  expect(await client.next()).toBe('ECONNRESET');
  proxy.end();
  const other = await dial();
  other.say('two');
  expect(await other.next()).toBe('echo two');
});

test('stall holds everything back, and loses nothing', async () => {
  const client = await dial();
  client.say('one');
  await client.next();
  proxy.begin({ how: 'stall' });
  client.say('two');
  const late = client.next();
  expect(await within(late, 150)).toBe('nothing');
  proxy.end();
  expect(await late).toBe('echo two');
});

test('a black hole swallows what is sent, and its connections are cut when it ends', async () => {
  const client = await dial();
  client.say('one');
  await client.next();
  proxy.begin({ how: 'black-hole' });
  client.say('two');
  const never = client.next();
  expect(await within(never, 150)).toBe('nothing');
  proxy.end();
  expect(await never).toBe('ECONNRESET');
  expect(heard).toEqual(['one']);
});

test('delay keeps the order, also of what comes after it', async () => {
  const client = await dial();
  proxy.begin({ how: 'delay', ms: 1_000 });
  const began = performance.now();
  client.say('one');
  // Rounds of the event loop, not time: after a pause of the process timers come before what was received.
  for (let round = 0; round < 50; round += 1) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setTimeout(resolve, 50));
  proxy.end();
  client.say('two');
  let text = '';
  while (!text.includes('two')) text += await client.next();
  expect(text.indexOf('one')).toBeLessThan(text.indexOf('two'));
  expect(performance.now() - began).toBeGreaterThanOrEqual(990);
});

test('cut-after cuts a connection in the middle of an answer', async () => {
  const client = await dial();
  proxy.begin({ how: 'cut-after', bytes: 8 });
  client.say('one');
  expect(await client.next()).toBe('echo one');
  client.say('two');
  expect(await client.next()).toBe('ECONNRESET');
});

test('drop-answer lets the request arrive and loses its answer, so many times', async () => {
  proxy.begin({ how: 'drop-answer', to: 'commit', times: 1 });
  const client = await dial();
  client.say('begin');
  expect(await client.next()).toBe('echo begin');
  client.say('commit');
  expect(await client.next()).toBe('ECONNRESET');
  expect(heard).toEqual(['begin', 'commit']);
  const other = await dial();
  other.say('commit');
  expect(await other.next()).toBe('echo commit');
});

test('goes round its targets, and past one that is down', async () => {
  const second = await startEcho();
  proxy.setTargets([1, second.port]);
  for (let times = 0; times < 4; times += 1) {
    const client = await dial();
    client.say('one');
    expect(await client.next()).toBe('echo one');
  }
  proxy.setTargets([1]);
  const nowhere = await dial();
  expect(await nowhere.next()).toBe('ECONNRESET');
  for (const socket of sockets) socket.destroy();
  await new Promise<void>((resolve) => second.server.close(() => resolve()));
});
