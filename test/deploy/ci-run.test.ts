import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { ROOT } from './compose-file.ts';

const SCRIPT = join(ROOT, '.ci', 'run');
const home = mkdtempSync(join(tmpdir(), 'bellhop-ci-'));
let project = '';

beforeEach(() => {
  project = mkdtempSync(join(home, 'project-'));
  mkdirSync(join(project, '.ci'));
  cpSync(SCRIPT, join(project, '.ci', 'run'));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

function program(path: string, body: string): void {
  writeFileSync(join(project, path), `#!/bin/sh\n${body}\n`);
  chmodSync(join(project, path), 0o755);
}

/** Runs the script in a project whose npm answers `npm test` with these shell lines. */
function run(onTest: string): { status: number | null; lines: string[]; calls: string } {
  mkdirSync(join(project, 'bin'));
  // The machine's packages are none of these tests' business.
  program('bin/chromium', 'exit 0');
  program(
    'bin/npm',
    `echo "npm $*" >> calls\nif [ "$1" = ci ]; then echo installed; exit 0; fi\nif [ "$1" = test ]; then\n${onTest}\nfi`,
  );
  // Whatever this machine has: no test installs a package.
  program('bin/apt-get', 'exit 1');
  const { status, stdout } = spawnSync(join(project, '.ci', 'run'), {
    cwd: '/',
    env: { PATH: `${join(project, 'bin')}:/usr/bin:/bin`, HOME: home },
    encoding: 'utf8',
    input: 'this must not be read',
  });
  const calls = readFileSync(join(project, 'calls'), 'utf8');
  return { status, lines: stdout.trimEnd().split('\n'), calls };
}

describe('.ci/run', () => {
  it('installs, tests, and ends with the counts once', () => {
    const { status, lines, calls } = run('echo "CI=$CI"; echo "12 passed, 0 failed"');
    expect(status).toBe(0);
    expect(lines.at(-1)).toBe('12 passed, 0 failed');
    expect(lines.filter((line) => line.includes('passed'))).toHaveLength(1);
    expect(lines).toContain('CI=true');
    const called = calls.trimEnd().split('\n');
    expect(called.map((call) => call.split(' ').slice(0, 2).join(' '))).toEqual(['npm ci', 'npm test']);
  });

  it('keeps a count of skipped tests', () => {
    const { status, lines } = run('echo "12 passed, 0 failed, 2 skipped"');
    expect(status).toBe(0);
    expect(lines.at(-1)).toBe('12 passed, 0 failed, 2 skipped');
  });

  it('fails with the counts last when tests fail, whatever npm writes after them', () => {
    const { status, lines } = run('echo "11 passed, 1 failed"; echo "npm error" >&2; exit 1');
    expect(status).not.toBe(0);
    expect(lines.at(-1)).toBe('11 passed, 1 failed');
  });

  it('counts one failure when a check stops it before any test', () => {
    const { status, lines } = run('echo "lint: error"; exit 1');
    expect(status).not.toBe(0);
    expect(lines.at(-1)).toBe('0 passed, 1 failed');
  });

  it('does not believe a run that fails and says that nothing failed', () => {
    const { status, lines } = run('echo "12 passed, 0 failed"; exit 1');
    expect(status).not.toBe(0);
    expect(lines.at(-1)).toBe('12 passed, 1 failed');
  });

  it('does not believe a run that succeeds and tested nothing, or counts a failure', () => {
    expect(run('echo "all fine"')).toMatchObject({ status: 1 });
    program('bin/npm', 'if [ "$1" = test ]; then echo "3 passed, 2 failed"; fi');
    const { status, stdout } = spawnSync(join(project, '.ci', 'run'), {
      env: { PATH: `${join(project, 'bin')}:/usr/bin:/bin`, HOME: home },
      encoding: 'utf8',
    });
    expect(status).toBe(1);
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('3 passed, 2 failed');
  });

  it('is executable and sound bash', () => {
    expect(() => execFileSync('bash', ['-n', SCRIPT])).not.toThrow();
    expect(() => execFileSync('test', ['-x', SCRIPT])).not.toThrow();
  });
});
