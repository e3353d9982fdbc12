import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { commandLineOf, identifyProcess } from '../../../sandbox/process-identity.ts';
import { resolveTemporalBinary } from '../../../sandbox/temporal/binary.ts';
import { buildServerArguments, startTemporal } from '../../../sandbox/temporal/server.ts';
import { connectTestTemporal, createTestNamespace, testTaskQueue } from '../../setup/temporal.ts';
import { runFixture } from '../fixtures/run.ts';

let dataDir: string;
const output = { isTerminal: false, write: () => undefined };
const findBinary = async () => (await resolveTemporalBinary({ env: process.env, output })).path;
const start = async (options: { ui?: boolean; port?: number; uiPort?: number; namespace?: string } = {}) =>
  startTemporal({
    binary: await findBinary(),
    store: { dbFile: join(dataDir, 'temporal.db') },
    ui: false,
    namespace: 'default',
    log: () => undefined,
    ...options,
  });

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'bellhop-test-temporal-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

test('asks for the poll rates, eager dispatch, fairness and search attributes; for pragmas only with a file', () => {
  const common = { port: 1, uiPort: null, namespace: 'default' };
  const inMemory = buildServerArguments({ store: 'memory', ...common }).join(' ');
  const onFile = buildServerArguments({ store: { dbFile: '/d/t.db' }, ...common }).join(' ');
  for (const text of [inMemory, onFile]) {
    for (const entry of [
      'history.transferProcessorMaxPollRPS=2000',
      'history.timerProcessorMaxPollRPS=2000',
      'history.visibilityProcessorMaxPollRPS=2000',
      'system.enableActivityEagerExecution=true',
      'matching.enableFairness=true',
    ]) {
      expect(text).toContain(`--dynamic-config-value ${entry}`);
    }
    for (const entry of ['BellhopUserId=Keyword', 'BellhopStatus=Keyword', 'BellhopApps=KeywordList']) {
      expect(text).toContain(`--search-attribute ${entry}`);
    }
  }
  expect(inMemory).not.toMatch(/pragma|db-filename/);
  expect(onFile).toContain(
    '--db-filename /d/t.db --sqlite-pragma journal_mode=wal --sqlite-pragma synchronous=normal',
  );
});

test('keeps executions over a restart on the same ports, and is gone within 5 s of the stop', async () => {
  const first = await start({ ui: true, namespace: 'shop' });
  expect(commandLineOf(first.pid)).toContain(
    '--dynamic-config-value system.enableActivityEagerExecution=true',
  );
  expect((await fetch(first.uiUrl ?? '')).status).toBe(200);
  const connection = await Connection.connect({ address: first.address });
  await new Client({ connection, namespace: 'shop' }).workflow.start('agentRun', {
    workflowId: 'run-1',
    taskQueue: 'nobody',
    // Refused by a server without the search attributes.
    searchAttributes: {
      BellhopUserId: ['alice'],
      BellhopStatus: ['running'],
      BellhopApps: ['slack', 'gmail'],
    },
  });
  await connection.close();
  const stoppingAt = performance.now();
  await first.stop();
  expect(performance.now() - stoppingAt).toBeLessThan(30_000);
  expect(identifyProcess(first.pid)).toBeNull();

  const second = await start({ ui: true, namespace: 'shop', port: first.port, uiPort: first.uiPort ?? 0 });
  expect([second.address, second.uiUrl]).toEqual([first.address, first.uiUrl]);
  const again = await Connection.connect({ address: second.address });
  const described = await new Client({ connection: again, namespace: 'shop' }).workflow
    .getHandle('run-1')
    .describe();
  expect(described.status.name).toBe('RUNNING');
  await again.close();
  await second.stop();
});

test('stops the server that a killed run left behind', async () => {
  const { child, exited, said } = await runFixture('start-temporal.ts', [
    await findBinary(),
    join(dataDir, 'temporal.db'),
  ]);
  child.kill('SIGKILL');
  await exited;
  expect(identifyProcess(said.pid)).not.toBeNull();
  const server = await start();
  expect(identifyProcess(said.pid)).toBeNull();
  await server.stop();
});

test('says why it cannot start, with the end of its log', async () => {
  const store = { dbFile: join(dataDir, 'temporal.db') };
  const options = {
    store,
    ui: false,
    namespace: 'a namespace with spaces/and a slash',
    log: () => undefined,
  };
  await expect(startTemporal({ ...options, binary: '/bin/false' })).rejects.toThrow(
    'the Temporal server ended while starting',
  );
  await expect(startTemporal({ ...options, binary: '/does/not/exist' })).rejects.toThrow('ENOENT');
});

test('gives a test a namespace of its own in which workflows start and a Schedule with a fixed id fits', async () => {
  const connection = await connectTestTemporal();
  for (const namespace of await Promise.all([createTestNamespace(), createTestNamespace()])) {
    const client = new Client({ connection, namespace });
    const taskQueue = testTaskQueue();
    await client.schedule.create({
      scheduleId: 'sweep',
      spec: { intervals: [{ every: '1h' }] },
      action: { type: 'startWorkflow', workflowType: 'sweep', taskQueue },
    });
    const handle = await client.workflow.start('agentRun', {
      workflowId: 'run-1',
      taskQueue,
      searchAttributes: { BellhopUserId: ['alice'], BellhopApps: ['slack'] },
    });
    expect((await handle.describe()).status.name).toBe('RUNNING');
  }
  await connection.close();
});
