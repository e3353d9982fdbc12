import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestDatabase } from '../setup/database.ts';
import { createTestDatabase } from '../setup/database.ts';
import { testTemporalAddress } from '../setup/temporal.ts';
import { send } from './setup/api.ts';
import { openEvents } from './setup/event-client.ts';

const MAIN = new URL('../../api/main.ts', import.meta.url).pathname;
let database: TestDatabase;
let env: Record<string, string>;
const started: ChildProcess[] = [];
const exits: Promise<unknown>[] = [];

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

beforeAll(async () => {
  database = await createTestDatabase();
  env = {
    PATH: process.env['PATH'] ?? '',
    HOME: '/nonexistent',
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: await testTemporalAddress(),
    COMPOSIO_API_KEY: 'composio-secret',
    COMPOSIO_BASE_URL: 'http://127.0.0.1:9',
    BELLHOP_API_KEY: 'main-key',
  };
});
afterAll(async () => {
  for (const child of started) child.kill('SIGKILL');
  await Promise.all(exits);
  await database.drop();
});

function start(extra: Record<string, string>) {
  const child = spawn(process.execPath, [MAIN], { env: { ...env, ...extra } });
  started.push(child);
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const exit = once(child, 'exit').then(([code]) => code as number | null);
  exits.push(exit);
  return { child, exit, output: () => output, errors: () => errors };
}

async function untilReady(port: number): Promise<void> {
  await expect
    .poll(
      async () =>
        (await send(`http://127.0.0.1:${port}`, 'GET', '/readyz', {}).catch(() => ({ status: 0 }))).status,
      {
        // On a machine with ten times as much to do as it can a start takes most of a minute.
        timeout: 100_000,
      },
    )
    .toBe(200);
}

describe('node api/main.ts', () => {
  it('serves the API and the metrics on their ports, and stops in order on SIGTERM with exit code 0', async () => {
    const [port, metricsPort] = [await freePort(), await freePort()];
    const api = start({ PORT: String(port), METRICS_PORT: String(metricsPort) });
    await untilReady(port);
    const url = `http://127.0.0.1:${port}`;
    const headers = { authorization: 'Bearer main-key' };
    expect((await send(url, 'PUT', `/v1/users/alice-${randomUUID()}`, { body: {}, headers })).status).toBe(
      201,
    );
    const metrics = await send(`http://127.0.0.1:${metricsPort}`, 'GET', '/metrics', {});
    expect(metrics.text).toContain(
      'bellhop_http_request_duration_seconds_count{route="/v1/users/{userId}",method="put",status="201"} 1',
    );
    expect((await send(url, 'GET', '/metrics', {})).status).toBe(404);
    api.child.kill('SIGTERM');
    expect(await api.exit).toBe(0);
    expect(api.errors()).toBe('');
    expect(api.output()).not.toMatch(/main-key|composio-secret/);
    await expect(send(url, 'GET', '/healthz', {})).rejects.toThrow('ECONNREFUSED');
  });

  it('lets a request that waits for a run go when it stops', async () => {
    const port = await freePort();
    const api = start({ PORT: String(port) });
    await untilReady(port);
    const url = `http://127.0.0.1:${port}`;
    const headers = { authorization: 'Bearer main-key' };
    await send(url, 'PUT', '/v1/users/bob', { body: {}, headers });
    const accepted = await send(url, 'POST', '/v1/runs', {
      body: { userId: 'bob', task: 'x', tools: ['SLACK_SEND_MESSAGE'] },
      headers: { ...headers, prefer: 'respond-async' },
    });
    expect(accepted.status).toBe(202);
    const { id } = JSON.parse(accepted.text) as { id: string };
    const waiting = send(url, 'GET', `/v1/runs/${id}?wait=60s`, { headers });
    // What is answered now came after it.
    for (let n = 0; n < 3; n += 1) await send(url, 'GET', `/v1/runs/${id}`, { headers });
    const stopped = performance.now();
    api.child.kill('SIGINT');
    expect((await waiting).status).toBe(200);
    expect(await api.exit).toBe(0);
    // Long before the minute is over that it was to wait for.
    expect(performance.now() - stopped).toBeLessThan(40_000);
  });

  it('ends a stream of events when it stops', async () => {
    const port = await freePort();
    const api = start({ PORT: String(port) });
    await untilReady(port);
    const url = `http://127.0.0.1:${port}`;
    const headers = { authorization: 'Bearer main-key' };
    await send(url, 'PUT', '/v1/users/carol', { body: {}, headers });
    const accepted = await send(url, 'POST', '/v1/runs', {
      body: { userId: 'carol', task: 'x', tools: ['SLACK_SEND_MESSAGE'] },
      headers: { ...headers, prefer: 'respond-async' },
    });
    const { id } = JSON.parse(accepted.text) as { id: string };
    const stream = await openEvents(url, id, headers);
    expect(stream.status).toBe(200);
    api.child.kill('SIGINT');
    expect(await stream.over).toBe('end');
    expect(await api.exit).toBe(0);
  });

  it('says in a few lines what is missing, without a stack, and exits 1', async () => {
    const api = start({ DATABASE_URL: '', PORT: 'x' });
    expect(await api.exit).toBe(1);
    expect(api.errors()).toBe(
      'The environment is not usable:\n  - DATABASE_URL is not set; the api process needs it\n  - PORT must be a port number\n',
    );
  });

  it('without its bootstrap key does not start before there is a stored admin key, and then takes that one only', async () => {
    const first = start({ BELLHOP_API_KEY: '', PORT: '0' });
    expect(await first.exit).toBe(1);
    expect(first.errors()).toMatch(/^The environment is not usable: BELLHOP_API_KEY is not set; .*admin\n$/);
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const withKey = start({ PORT: String(port) });
    await untilReady(port);
    const made = await send(url, 'POST', '/v1/api-keys', {
      body: { name: 'ours', scopes: ['admin'] },
      headers: { authorization: 'Bearer main-key' },
    });
    const { key } = JSON.parse(made.text) as { key: string };
    withKey.child.kill('SIGTERM');
    expect(await withKey.exit).toBe(0);
    const without = start({ BELLHOP_API_KEY: '', PORT: String(port) });
    await untilReady(port);
    const list = (authorization: string) => send(url, 'GET', '/v1/users', { headers: { authorization } });
    expect((await list(`Bearer ${key}`)).status).toBe(200);
    expect((await list('Bearer main-key')).status).toBe(401);
    without.child.kill('SIGTERM');
    expect(await without.exit).toBe(0);
    expect(withKey.output() + without.output()).not.toContain(key);
  });

  it('says in one line that its port is taken, and exits 1', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, resolve));
    const { port } = server.address() as AddressInfo;
    const api = start({ PORT: String(port) });
    expect(await api.exit).toBe(1);
    expect(api.errors()).toBe(`Port ${port} is taken; set PORT or METRICS_PORT to another one.\n`);
    server.close();
  });
});
