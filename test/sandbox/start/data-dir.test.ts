import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDataDir, readOrMakeSecret } from '../../../sandbox/start/data-dir.ts';
import { choosePorts } from '../../../sandbox/start/ports.ts';
import { StartError } from '../../../sandbox/start-error.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bellhop-test-dir-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

async function listen(): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

test('lets one run in at a time, and the next one when that has left', () => {
  const first = openDataDir(root);
  expect(() => openDataDir(root)).toThrow(`${root} is in use by process ${process.pid}`);
  first.release();
  openDataDir(root).release();
});

test.each([
  ['of a process that is dead', JSON.stringify({ pid: process.pid, identity: 'somebody else had this pid' })],
  ['that a crash has cut off', '{"pid":'],
])('takes over a lock %s', (_, content) => {
  writeFileSync(join(root, 'lock.json'), content);
  openDataDir(root).release();
});

test('is entered by its owner only, and says so in one line when it cannot be used', () => {
  const dir = openDataDir(join(root, 'new'));
  expect(statSync(dir.postgres).mode & 0o777).toBe(0o700);
  dir.release();
  writeFileSync(join(root, 'file'), '');
  expect(() => openDataDir(join(root, 'file'))).toThrow(StartError);
  expect(() => openDataDir(join(root, 'file'))).toThrow(
    /cannot use the data directory .*BELLHOP_DATA_DIR names another$/,
  );
});

test('makes a secret once, readable by its owner only', () => {
  const file = join(root, 'api-key');
  const secret = readOrMakeSecret(file);
  expect(secret.length).toBeGreaterThan(30);
  expect(readOrMakeSecret(file)).toBe(secret);
  expect(readOrMakeSecret(join(root, 'other'))).not.toBe(secret);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test('keeps the ports of the embedded parts for the next run, all different', async () => {
  const first = await choosePorts({ PORT: '0' }, root);
  const second = await choosePorts({ PORT: '0' }, root);
  expect(new Set(Object.values(first)).size).toBe(8);
  expect({ ...second, api: 0 }).toEqual({ ...first, api: 0 });
});

test('replaces only the kept port that somebody else has taken meanwhile', async () => {
  const first = await choosePorts({ PORT: '0' }, root);
  const taken = await listen();
  writeFileSync(join(root, 'ports.json'), JSON.stringify({ ...first, temporalUi: taken.port }));
  const second = await choosePorts({ PORT: '0' }, root);
  await taken.close();
  expect(second.temporalUi).not.toBe(taken.port);
  expect({ ...second, temporalUi: 0, api: 0 }).toEqual({ ...first, temporalUi: 0, api: 0 });
  expect(JSON.parse(readFileSync(join(root, 'ports.json'), 'utf8'))).toMatchObject({
    temporalUi: second.temporalUi,
  });
});

test.each(['PORT', 'METRICS_PORT', 'WORKER_METRICS_PORT', 'COMPOSIO_SANDBOX_PORT', 'MODEL_SANDBOX_PORT'])(
  'refuses a taken %s in one line that names the port and the variable',
  async (variable) => {
    const taken = await listen();
    await expect(choosePorts({ PORT: '0', [variable]: String(taken.port) }, root)).rejects.toThrow(
      `port ${taken.port} is taken: stop what uses it, or choose another, e.g. ${variable}=${taken.port + 1} npm start`,
    );
    await taken.close();
  },
);

test('takes the ports that the environment names', async () => {
  const free = await listen();
  await free.close();
  expect(await choosePorts({ PORT: '0', COMPOSIO_SANDBOX_PORT: String(free.port) }, root)).toMatchObject({
    composio: free.port,
  });
});
