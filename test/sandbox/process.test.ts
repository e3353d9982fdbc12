import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { identifyProcess } from '../../sandbox/process-identity.ts';
import { startNodeChild, waitForReadyLine, waitForUrl } from '../../sandbox/process.ts';
import { becomesTrue, runFixture } from './fixtures/run.ts';

let folder: string;
const start = (script: string) =>
  startNodeChild({
    name: 'the part',
    script: script.startsWith('/') ? script : join(import.meta.dirname, 'fixtures', script),
    env: process.env,
    cwd: folder,
    logFile: join(folder, 'part.log'),
  });
const wait = { timeoutMs: 60_000 };

function writeScript(source: string): string {
  const file = join(folder, 'script.mjs');
  writeFileSync(file, source);
  return file;
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bellhop-test-child-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('tells when a child is ready, keeps both of its outputs in the log file, and stops it', async () => {
  const child = start('obedient.ts');
  expect(await waitForReadyLine(child, wait)).toBe('http://127.0.0.1:1');
  await child.stop(5_000);
  expect(await child.exited).toEqual({ code: 0, signal: null });
  expect(readFileSync(child.logFile, 'utf8')).toContain('{"ready":true');
});

test('kills a child that does not stop in its time', async () => {
  const child = start('stubborn.ts');
  await waitForReadyLine(child, wait);
  // Long enough for its handler to have its say on a busy machine; it would never end by itself.
  await child.stop(2_000);
  expect((await child.exited).signal).toBe('SIGKILL');
  expect(readFileSync(child.logFile, 'utf8')).toMatch(/a line of standard error[^]*not yet/);
});

test('runs a child in a process group of its own, where a Ctrl-C for the parent does not reach it', async () => {
  const child = start('obedient.ts');
  await waitForReadyLine(child, wait);
  expect(() => process.kill(-child.pid, 0)).not.toThrow();
  await child.stop(5_000);
});

test('a child leaves by itself when its parent is killed', async () => {
  const { child: parent, exited, said } = await runFixture('parent-of-one.ts', [join(folder, 'child.log')]);
  expect(identifyProcess(said.pid)).not.toBeNull();
  parent.kill('SIGKILL');
  await exited;
  expect(await becomesTrue(() => identifyProcess(said.pid) === null)).toBe(true);
});

test('tells how a child ended that was to become ready, with its last lines', async () => {
  const script = writeScript(
    `console.log('{"ready":false}'); console.error('no such database'); process.exit(3);`,
  );
  await expect(waitForReadyLine(start(script), wait)).rejects.toThrow(
    /^the part ended with exit code 3 \(log: .*part\.log\)\n[^]*no such database/,
  );
  await expect(waitForUrl('http://127.0.0.1:9/readyz', start(script), wait)).rejects.toThrow(
    'the part ended with exit code 3',
  );
});

test('gives up on a child that is alive and not ready in time', async () => {
  const child = start(writeScript('setInterval(() => undefined, 1000)'));
  await expect(waitForReadyLine(child, { timeoutMs: 200 })).rejects.toThrow(
    'the part is not ready after 0.2 s',
  );
  await child.stop(1_000);
});

test('waits until a URL answers 200, not merely answers', async () => {
  const statuses = [503, 503, 200];
  const asked: number[] = [];
  const server = createServer((_, response) => {
    const status = statuses[asked.length] ?? 200;
    asked.push(status);
    response.writeHead(status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const child = start('obedient.ts');
  await waitForUrl(`http://127.0.0.1:${port}/readyz`, child, wait);
  expect(asked).toEqual([503, 503, 200]);
  await child.stop(5_000);
  server.close();
});

test('leaves a wait at once when it is aborted', async () => {
  const child = start(writeScript('setInterval(() => undefined, 1000)'));
  await expect(waitForReadyLine(child, { ...wait, signal: AbortSignal.timeout(100) })).rejects.toThrow(
    /abort/i,
  );
  await child.stop(1_000);
});
