import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cacheFolderOf } from '../../../sandbox/cache-folder.ts';
import { StartError } from '../../../sandbox/start-error.ts';
import { resolveTemporalBinary } from '../../../sandbox/temporal/binary.ts';
import { buildTemporal } from '../../../sandbox/temporal/build.ts';
import { installAtomically } from '../../../sandbox/temporal/install.ts';

let home: string;
let shown: string;
const output = { isTerminal: false, write: (text: string) => void (shown += text) };

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'bellhop-test-cli-'));
  shown = '';
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function writeProgram(folder: string, name: string, body: string): string {
  mkdirSync(join(home, folder), { recursive: true });
  const file = join(home, folder, name);
  writeFileSync(file, `#!/bin/sh\n${body}\n`);
  chmodSync(file, 0o755);
  return file;
}

const TEMPORAL = 'echo "temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)"';
const envWith = (folders: readonly string[]) => ({
  PATH: folders.map((folder) => join(home, folder)).join(':'),
  BELLHOP_CACHE_DIR: join(home, 'cache'),
});
function countingGetters(fails: { download?: boolean; build?: boolean } = {}) {
  const calls: string[] = [];
  const getter = (name: 'download' | 'build') => async (target: string) => {
    calls.push(name);
    if (fails[name]) throw new Error(`${name} is out of reach\nwith a second line`);
    await Promise.resolve(target);
  };
  return { calls, getters: { download: getter('download'), build: getter('build') } };
}

test('takes the first temporal on PATH, before the cache and without getting anything', async () => {
  writeProgram('cache/bin', 'temporal', TEMPORAL);
  writeProgram('two', 'temporal', TEMPORAL);
  const first = writeProgram('one', 'temporal', TEMPORAL);
  const { calls, getters } = countingGetters();
  expect(await resolveTemporalBinary({ env: envWith(['none', 'one', 'two']), output, getters })).toEqual({
    path: first,
    from: 'PATH',
  });
  expect(calls).toEqual([]);
});

test('passes over a program of that name that is another one, a file that cannot be executed and a folder', async () => {
  writeProgram('other', 'temporal', 'echo "Temporal the calendar 3.0"');
  writeProgram('broken', 'temporal', 'exit 1');
  chmodSync(writeProgram('plain', 'temporal', TEMPORAL), 0o644);
  mkdirSync(join(home, 'folder', 'temporal'), { recursive: true });
  const right = writeProgram('right', 'temporal', TEMPORAL);
  const env = envWith(['other', 'broken', 'plain', 'folder', 'right']);
  expect(await resolveTemporalBinary({ env, output, ...countingGetters() })).toEqual({
    path: right,
    from: 'PATH',
  });
});

test('takes the cached one when PATH has none, without getting anything', async () => {
  const cached = writeProgram('cache/bin', 'temporal', TEMPORAL);
  const { calls, getters } = countingGetters();
  expect(await resolveTemporalBinary({ env: envWith(['none']), output, getters })).toEqual({
    path: cached,
    from: 'cache',
  });
  expect(calls).toEqual([]);
});

test('downloads before it builds, and builds only when the download fails', async () => {
  const target = join(home, 'cache', 'bin', 'temporal');
  const works = countingGetters();
  expect(await resolveTemporalBinary({ env: envWith([]), output, getters: works.getters })).toEqual({
    path: target,
    from: 'download',
  });
  expect(works.calls).toEqual(['download']);

  const offline = countingGetters({ download: true });
  expect(await resolveTemporalBinary({ env: envWith([]), output, getters: offline.getters })).toEqual({
    path: target,
    from: 'build',
  });
  expect(offline.calls).toEqual(['download', 'build']);
});

test('says in one line what to install when every way fails', async () => {
  const { getters } = countingGetters({ download: true, build: true });
  const error = await resolveTemporalBinary({ env: envWith([]), output, getters }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(StartError);
  const { message } = error as StartError;
  expect(message).toMatch(
    /^no Temporal CLI: .*PATH.*Go.*TEMPORAL_ADDRESS.*download is out of reach; build: build is out of reach/,
  );
  expect(message).not.toContain('\n');
});

test('keeps the cache where BELLHOP_CACHE_DIR, else XDG_CACHE_HOME says; empty ones count as unset', () => {
  expect(cacheFolderOf({ BELLHOP_CACHE_DIR: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a');
  expect(cacheFolderOf({ BELLHOP_CACHE_DIR: '', XDG_CACHE_HOME: '/b' })).toBe('/b/bellhop');
  expect(cacheFolderOf({ XDG_CACHE_HOME: '' })).toMatch(/\/\.cache\/bellhop$/);
});

test('builds with Go outside the final place, and tells what, how large and how long', async () => {
  const target = join(home, 'cache', 'bin', 'temporal');
  const go = `case "$1" in version) ;; install) test ! -e ${target} && printf '#!/bin/sh\\n${TEMPORAL}\\n' > "$GOBIN/temporal"; echo "$2" > ${home}/asked;; esac`;
  writeProgram('go', 'go', go);
  const env = { PATH: `${join(home, 'go')}:/usr/bin:/bin` };
  await buildTemporal('v1.5.1', env)(target, { output, signal: undefined });
  expect(readFileSync(join(home, 'asked'), 'utf8').trim()).toBe(
    'github.com/temporalio/cli/cmd/temporal@v1.5.1',
  );
  expect(readdirSync(join(home, 'cache', 'bin'))).toEqual(['temporal']);
  expect(shown).toMatch(/building the Temporal CLI v1\.5\.1 .*250 MB.*minutes.*\n.*done in 0 s\n/);
});

test('names Go when it is missing, and the last line of Go when the build fails', async () => {
  const target = join(home, 'cache', 'bin', 'temporal');
  await expect(
    buildTemporal('v1.5.1', { PATH: join(home, 'none') })(target, { output, signal: undefined }),
  ).rejects.toThrow('Go is not installed');
  writeProgram(
    'go',
    'go',
    'test "$1" = version || { echo "go: downloading" >&2; echo "dial tcp: no route" >&2; exit 1; }',
  );
  const env = { PATH: `${join(home, 'go')}:/usr/bin:/bin` };
  await expect(buildTemporal('v1.5.1', env)(target, { output, signal: undefined })).rejects.toThrow(
    'go install failed: dial tcp: no route',
  );
  expect(existsSync(target)).toBe(false);
  expect(readdirSync(join(home, 'cache', 'bin'))).toEqual([]);
});

test('stops a build when it is aborted', async () => {
  writeProgram('go', 'go', 'test "$1" = version || exec sleep 120');
  const aborter = new AbortController();
  const env = { PATH: `${join(home, 'go')}:/usr/bin:/bin` };
  const build = buildTemporal('v1.5.1', env)(join(home, 'cache', 'bin', 'temporal'), {
    output,
    signal: aborter.signal,
  });
  const failed = expect(build).rejects.toThrow();
  await delay(200);
  const abortedAt = performance.now();
  aborter.abort();
  await failed;
  expect(performance.now() - abortedAt).toBeLessThan(60_000);
});

test('two installs at once leave one whole program and nothing half made', async () => {
  const target = join(home, 'cache', 'bin', 'temporal');
  const install = (content: string) =>
    installAtomically(target, async (folder) => {
      const file = join(folder, 'made');
      for (const letter of content) {
        writeFileSync(file, letter, { flag: 'a' });
        await delay(2);
        if (existsSync(target)) expect(readFileSync(target, 'utf8')).toMatch(/^(a{20}|b{20})$/);
      }
      return file;
    });
  await Promise.all([install('a'.repeat(20)), install('b'.repeat(20))]);
  expect(readFileSync(target, 'utf8')).toMatch(/^(a{20}|b{20})$/);
  expect(readdirSync(join(home, 'cache', 'bin'))).toEqual(['temporal']);
});
