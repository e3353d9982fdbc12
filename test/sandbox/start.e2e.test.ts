/** `npm start` as a person uses it: real processes, a terminal's signals, pasted commands. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findFreePort, isPortFree } from '../../sandbox/free-port.ts';
import { identifyProcess } from '../../sandbox/process-identity.ts';
import { createTestDatabase } from '../setup/database.ts';
import { createTestNamespace, testTemporalAddress } from '../setup/temporal.ts';
import { becomesTrue } from './fixtures/run.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);
/** The end of what is printed when everything is ready. */
const READY = 'Ctrl-C stops everything.';

let dataDir: string;
let port: number;
const started: { end: () => Promise<void> }[] = [];
// Each attempt has a folder and a port of its own.
beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'bellhop-test-start-'));
  port = await findFreePort();
});
afterEach(async () => {
  for (const child of started.splice(0)) await child.end();
  rmSync(dataDir, { recursive: true, force: true });
});

/** Only what the system needs: nothing that the tester's own environment names may make a part real. */
function bareEnvironment(): NodeJS.ProcessEnv {
  const names = ['PATH', 'HOME', 'TMPDIR', 'XDG_CACHE_HOME', 'BELLHOP_CACHE_DIR'];
  return Object.fromEntries(names.map((name) => [name, process.env[name]]));
}

function npmStart(env: Record<string, string> = {}) {
  const child = spawn('npm', ['start'], {
    cwd: ROOT,
    env: { ...bareEnvironment(), BELLHOP_DATA_DIR: dataDir, PORT: String(port), ...env },
    detached: true, // a group of its own, as a terminal makes it
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  const exit = new Promise<number | null>((resolve) => {
    child.once('close', resolve);
  });
  const pid = child.pid ?? 0;
  let isGone = false;
  void exit.then(() => (isGone = true));
  const handle = {
    pid,
    exit,
    output: () => output,
    isReady: () => becomesTrue(() => output.includes(READY) || child.exitCode !== null, 120_000),
    /** As a terminal does: the whole group at once, npm included. */
    pressCtrlC: () => process.kill(-pid, 'SIGINT'),
    /** For a test that failed in the middle: nothing of it lives on. */
    end: async (): Promise<void> => {
      if (isGone) return;
      const processes = [...descendantsOf(pid), { pid, identity: identifyProcess(pid), command: 'npm' }];
      for (const { pid: one, identity } of processes)
        if (identity !== null && identifyProcess(one) === identity) process.kill(one, 'SIGKILL');
      await exit;
    },
  };
  started.push(handle);
  return handle;
}

/** The run that the pasted commands have started, once it waits: their answer may come before that. */
async function waitingRun(stdout: string, key: string): Promise<string> {
  const runId = /"id":"([^"]+)","userId":"alice"/.exec(stdout)?.[1] ?? 'no run';
  const answer = await fetch(`http://localhost:${port}/v1/runs/${runId}?wait=60s`, {
    headers: { authorization: `Bearer ${key}` },
  });
  expect(await answer.json()).toMatchObject({ status: 'waiting_for_connection' });
  return runId;
}

function descendantsOf(pid: number): { pid: number; identity: string | null; command: string }[] {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' }).trim().split('\n');
  const parsed = rows.map((row) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row) ?? []);
  const childrenOf = (parent: number): number[] =>
    parsed
      .filter(([, , ppid]) => Number(ppid) === parent)
      .flatMap(([, child]) => [Number(child), ...childrenOf(Number(child))]);
  return childrenOf(pid).map((child) => ({
    pid: child,
    identity: identifyProcess(child),
    command: parsed.find(([, candidate]) => Number(candidate) === child)?.[3] ?? '',
  }));
}

const survivors = (processes: { pid: number; identity: string | null; command: string }[]) =>
  processes
    .filter(({ pid, identity }) => identity !== null && identifyProcess(pid) === identity)
    .map(({ command }) => command);

const portsIn = (text: string) =>
  new Set([...text.matchAll(/(?:127\.0\.0\.1|localhost):(\d+)/g)].map(([, found]) => Number(found)));
const addressesIn = (text: string) =>
  text.split('\n').filter((line) => /^ {2}(API|Temporal|PostgreSQL|Composio|Model)/.test(line));

test('starts from nothing, runs what is pasted, stops in order, and knows the run when it starts again', async () => {
  const first = npmStart();
  await first.isReady();
  expect(first.output()).toContain('Bellhop is ready after');
  for (const part of ['PostgreSQL', 'Temporal', 'Composio', 'Model']) {
    expect(first.output()).toMatch(new RegExp(`${part} .*(embedded|sandbox) \\([A-Z_]+ is not set\\)`));
  }
  expect((await fetch(`http://localhost:${port}/docs`)).status).toBe(200);
  const ui = /Temporal UI +(\S+)/.exec(first.output())?.[1] ?? '';
  expect((await fetch(ui)).status).toBe(200);

  const pasted = first
    .output()
    .split('\n')
    .filter((line) => line.startsWith('curl '))
    .join('\n');
  const { stdout } = await run('sh', ['-c', pasted]);
  const key = readFileSync(join(dataDir, 'api-key'), 'utf8').trim();
  const runId = await waitingRun(stdout, key);

  const intruder = npmStart({ PORT: String(await findFreePort()) });
  expect(await intruder.exit).toBe(1);
  expect(intruder.output()).toMatch(new RegExp(`^Bellhop: ${dataDir} is in use by process \\d+: `, 'm'));

  const processes = descendantsOf(first.pid);
  const secrets = [
    key,
    'sandbox-composio-key',
    ...Object.values(
      JSON.parse(readFileSync(join(dataDir, 'postgres', 'passwords.json'), 'utf8')) as object,
    ).map(String),
  ];
  expect(processes.length).toBeGreaterThanOrEqual(7);
  for (const secret of secrets) {
    expect(processes.filter(({ command }) => command.includes(secret))).toEqual([]);
    expect(first.output()).not.toContain(secret);
  }

  const stoppingAt = performance.now();
  first.pressCtrlC();
  expect(await first.exit).toBe(0);
  expect(performance.now() - stoppingAt).toBeLessThan(10_000);
  expect(survivors(processes)).toEqual([]);
  for (const used of portsIn(first.output())) expect([used, await isPortFree(used)]).toEqual([used, true]);

  const second = npmStart();
  await second.isReady();
  expect(second.output()).toMatch(
    new RegExp(`Earlier runs:\n.*waiting_for_connection +alice: .*\\(${runId}\\)`),
  );
  expect(addressesIn(second.output())).toEqual(addressesIn(first.output()));
  second.pressCtrlC();
  expect(await second.exit).toBe(0);
}, 400_000);

test('clears up after a killed run, and ends with a line and the log when a part dies', async () => {
  const killed = npmStart();
  await killed.isReady();
  const orphans = descendantsOf(killed.pid);
  const main = orphans.find(({ command }) => command.includes('sandbox/main.ts'));
  process.kill(main?.pid ?? 0, 'SIGKILL');
  expect(await killed.exit).not.toBe(0);

  const next = npmStart();
  await next.isReady();
  expect(next.output()).toContain('Stopped what an earlier, killed run had left behind.');
  expect(survivors(orphans)).toEqual([]);
  expect(addressesIn(next.output())).toEqual(addressesIn(killed.output()));

  const processes = descendantsOf(next.pid);
  process.kill(processes.find(({ command }) => command.endsWith('worker/main.ts'))?.pid ?? 0, 'SIGKILL');
  expect(await next.exit).toBe(1);
  expect(next.output()).toMatch(
    /^Bellhop: the worker process was ended by SIGKILL \(log: .*worker\.log\)\n {2}\{/m,
  );
  expect(survivors(processes)).toEqual([]);
}, 400_000);

test('uses the database and the Temporal namespace that the environment names, and starts none beside them', async () => {
  const [database, namespace, address] = await Promise.all([
    createTestDatabase(),
    createTestNamespace(),
    testTemporalAddress(),
  ]);
  const child = npmStart({
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: namespace,
    BELLHOP_API_KEY: 'a-key-of-my-own-choice',
  });
  await child.isReady();
  expect(child.output()).toMatch(/PostgreSQL +127\.0\.0\.1:\d+\/test_\w+ +real$/m);
  expect(child.output()).toMatch(new RegExp(`Temporal +${address}, namespace ${namespace} +real$`, 'm'));
  expect(child.output()).not.toContain('Temporal UI');
  const commands = descendantsOf(child.pid).map(({ command }) => command);
  expect(commands.filter((command) => /start-dev|postgres/.test(command))).toEqual([]);

  const pasted = child
    .output()
    .split('\n')
    .filter((line) => line.startsWith('curl '));
  await waitingRun((await run('sh', ['-c', pasted.join('\n')])).stdout, 'a-key-of-my-own-choice');
  const client = new Client({ connectionString: database.url });
  await client.connect();
  expect(
    (await client.query('select 1 from pg_stat_activity where datname = current_database()')).rowCount,
  ).toBeGreaterThan(1);
  await client.end();
  child.pressCtrlC();
  expect(await child.exit).toBe(0);
  await database.drop();
});

test('stops with exit code 0 at a Ctrl-C while it starts, and leaves nothing', async () => {
  const child = npmStart();
  await becomesTrue(() => descendantsOf(child.pid).some(({ command }) => command.includes('start-dev')));
  const processes = descendantsOf(child.pid);
  child.pressCtrlC();
  expect(await child.exit).toBe(0);
  expect(child.output()).toContain('Stopped while starting.');
  expect(survivors(processes)).toEqual([]);
});

test('refuses a taken port, an unreachable database and a malformed setting in one line each', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port: takenPort } = taken.address() as { port: number };
  const cases: [Record<string, string>, RegExp][] = [
    [
      { PORT: String(takenPort) },
      new RegExp(`port ${takenPort} is taken: .*PORT=${takenPort + 1} npm start`),
    ],
    [
      { DATABASE_URL: 'postgres://u:hidden@127.0.0.1:1/d' },
      /DATABASE_URL: cannot reach PostgreSQL at 127\.0\.0\.1:1\/d: .*ECONNREFUSED/,
    ],
    [{ PORT: 'eighty' }, /PORT must be a port number/],
  ];
  for (const [env, line] of cases) {
    const child = npmStart(env);
    expect(await child.exit).toBe(1);
    const said = child
      .output()
      .split('\n')
      .filter((text) => text.startsWith('Bellhop: '));
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(line);
    expect(child.output()).not.toMatch(/^\s+at |hidden/m);
  }
  taken.close();
});
