import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startDaemon } from '../../sandbox/daemon.ts';
import { identifyProcess } from '../../sandbox/process-identity.ts';
import { makeTemporaryFolder, sweepTemporaryFolders } from '../../sandbox/temporary-folder.ts';

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'test-sweep-'));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

function folderOf(name: string, owner: unknown): string {
  const folder = join(parent, name);
  mkdirSync(folder);
  if (owner !== undefined) writeFileSync(join(folder, 'owner.json'), JSON.stringify(owner));
  return folder;
}

test('removes the folders of dead processes and no others', async () => {
  const alive = { pid: process.pid, identity: identifyProcess(process.pid) };
  const dead = folderOf('bellhop-pg-dead', {
    pid: process.pid,
    identity: 'another process that had this pid',
  });
  const kept = [
    folderOf('bellhop-pg-alive', alive),
    folderOf('bellhop-unsigned', undefined),
    folderOf('bellhop-odd', { pid: 1, identity: null }),
    folderOf('theirs', { pid: process.pid, identity: 'x' }),
  ];
  expect(await sweepTemporaryFolders(parent)).toEqual([dead]);
  expect(existsSync(dead)).toBe(false);
  for (const folder of kept) expect(existsSync(folder)).toBe(true);
});

test('stops the server in such a folder before it removes it, but not one whose starter is alive', async () => {
  const folder = folderOf('bellhop-pg-dead', { pid: process.pid, identity: 'dead' });
  const pidFile = join(folder, 'process.json');
  const daemon = await startDaemon({
    command: process.execPath,
    args: ['-e', 'console.log("up"); setInterval(() => undefined, 1000)'],
    logFile: join(folder, 'log'),
    pidFile,
    stopSignal: 'SIGINT',
  });
  // Where the tests run in the background of a shell, a child ignores SIGINT until Node has started in it.
  while (!readFileSync(join(folder, 'log'), 'utf8').includes('up')) await sleep(20);
  expect(await sweepTemporaryFolders(parent)).toEqual([]);
  expect(daemon.hasExited()).toBe(false);

  const identity = identifyProcess(daemon.pid);
  writeFileSync(
    pidFile,
    JSON.stringify({ pid: daemon.pid, identity, ownerPid: process.pid, ownerIdentity: 'dead' }),
  );
  expect(await sweepTemporaryFolders(parent)).toEqual([folder]);
  expect((await daemon.exited).signal).toBe('SIGINT');
});

test('makes folders that only their owner may enter', async () => {
  const folder = await makeTemporaryFolder('unit');
  expect(existsSync(join(folder, 'owner.json'))).toBe(true);
  rmSync(folder, { recursive: true });
});
