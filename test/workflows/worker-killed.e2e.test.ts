/**
 * A worker process that is killed while a call is on its way. The sandbox's journal says what happened, the ledger must say
 * no more than can be known: a write is unknown and never sent again, a read is.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listEvents } from '../../db/events.ts';
import { asSystem } from '../../db/scope.ts';
import { listToolCalls } from '../../db/transcript.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createTestNamespace, testTemporalAddress, testWorkflowBundle } from '../setup/temporal.ts';

const ROOT = join(import.meta.dirname, '..', '..');
let bellhop: TestBellhop;
let namespace: string;
const children: ChildProcess[] = [];
beforeAll(async () => {
  // Its own namespace: worker/main.ts makes Schedules with fixed ids.
  namespace = await createTestNamespace();
  bellhop = await startTestBellhop({ noWorker: true, namespace });
});
afterAll(async () => {
  for (const child of children) await kill(child);
  await bellhop.close();
});

async function startWorker(env: Record<string, string> = {}): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(ROOT, 'worker', 'main.ts')], {
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      DATABASE_URL: bellhop.databaseUrl,
      TEMPORAL_ADDRESS: await testTemporalAddress(),
      TEMPORAL_NAMESPACE: namespace,
      TEMPORAL_TASK_QUEUE: bellhop.taskQueue,
      BELLHOP_WORKFLOW_BUNDLE: await testWorkflowBundle(),
      COMPOSIO_API_KEY: 'sandbox-composio-key',
      COMPOSIO_BASE_URL: bellhop.sandboxUrl,
      OPENAI_API_KEY: 'sandbox-model-key',
      OPENAI_BASE_URL: `${bellhop.modelUrl}/v1`,
      TOOL_TIMEOUT: '3s',
      LOG_LEVEL: 'warn',
      ...env,
    },
    stdio: ['ignore', 'ignore', process.env['TEST_LOG'] === '1' ? 'inherit' : 'ignore'],
  });
  children.push(child);
  return child;
}
async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** A run whose first call is held at the sandbox, before or after its effect; then the worker dies, and another one comes. */
async function killDuring(
  slug: string,
  args: object,
  where: { afterEffect: boolean },
  env: Record<string, string> = {},
) {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  const barrier = randomUUID();
  await bellhop.sandbox.addFault({
    match: { route: 'tools.execute', userId },
    action: { type: 'hold', barrier, ...where },
    times: 1,
  });
  const first = await startWorker(env);
  const task = scripted([{ toolCalls: [{ name: slug, arguments: args }] }, { content: 'The end.' }]);
  const runId = await bellhop.start({ userId, task, tools: [slug] });
  await bellhop.sandbox.waitForBarrier(barrier, 1, 30_000);
  await kill(first);
  await bellhop.sandbox.releaseBarrier(barrier);
  const second = await startWorker(env);
  const run = await bellhop.ended(runId, 60_000);
  await kill(second);
  const calls = await asSystem(bellhop.db, (tx) => listToolCalls(tx, runId));
  const events = await asSystem(bellhop.db, (tx) => listEvents(tx, runId, { after: 0, limit: 99 }));
  return {
    run,
    calls: calls.map((call) => [call.status, call.attempts]),
    effects: await bellhop.sandbox.journal({ userId }),
    sent: await bellhop.sandbox.requests({ route: 'tools.execute', userId }),
    events: events.map((event) => event.type),
  };
}
const WRITE = ['SLACK_SEND_MESSAGE', { channel: 'general', markdown_text: 'once' }] as const;

test('after the effect of a write leaves it unknown: done once, sent once, told to the model', async () => {
  const { run, calls, effects, sent, events } = await killDuring(...WRITE, { afterEffect: true });
  expect(run).toMatchObject({ status: 'completed', output: 'The end.' });
  expect(calls).toEqual([['unknown', 1]]);
  expect(effects).toHaveLength(1);
  expect(sent).toHaveLength(1);
  expect(events).toContain('tool.unknown');
}, 120_000);

test('during a read sends it again, and it is done', async () => {
  const { run, calls, sent } = await killDuring('SLACK_LIST_CHANNELS', {}, { afterEffect: true });
  expect(run.status).toBe('completed');
  expect(calls).toEqual([['done', 2]]);
  expect(sent).toHaveLength(2);
}, 120_000);

test('without the ledger’s check a write is sent twice, so these tests can fail', async () => {
  const { effects } = await killDuring(...WRITE, { afterEffect: true }, { SABOTAGE: 'skip-ledger' });
  expect(effects).toHaveLength(2);
}, 120_000);
