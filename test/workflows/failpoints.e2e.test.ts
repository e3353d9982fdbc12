/**
 * A worker process that dies at an exact point of a call, and another one that goes on. The sandbox's journal says what
 * happened, and the ledger must say no more than can be known: between the claim and its outcome, nobody can tell whether the
 * request left, so a write is `unknown` even where nothing was sent. It is never sent twice.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listEvents } from '../../db/events.ts';
import { asSystem } from '../../db/scope.ts';
import { listToolCalls } from '../../db/transcript.ts';
import { AGENT_RUN, WORKFLOW_TASK_TIMEOUT, runWorkflowId } from '../../workflows/messages.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import type { Failpoint } from '../setup/failpoints.ts';
import { createTestNamespace, testTaskQueue } from '../setup/temporal.ts';
import { startTakeover, startWorkerProcess, type WorkerProcess } from '../setup/worker-process.ts';

/** For another worker to notice that one is gone, and to go on, while five tests start processes at once. */
const PATIENCE_MS = 120_000;
const TIMEOUT_MS = 300_000;
let bellhop: TestBellhop;
let namespace: string;
const processes: WorkerProcess[] = [];
beforeAll(async () => {
  // Its own namespace: worker/main.ts makes Schedules with fixed ids.
  namespace = await createTestNamespace();
  bellhop = await startTestBellhop({ noWorker: true, namespace });
});
afterAll(async () => {
  for (const process of processes) await process.kill();
  await bellhop.close();
});

const CALLS = {
  write: { name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'once' } },
  read: { name: 'SLACK_LIST_CHANNELS', arguments: {} },
};

type DieOptions = { nth?: number; sabotage?: boolean; env?: Readonly<Record<string, string>> };

/** One run of one call, whose worker dies at this point; everything that can be seen of it afterwards. */
async function dieAt(
  call: keyof typeof CALLS,
  at: Failpoint,
  { nth = 1, sabotage = false, env = {} }: DieOptions = {},
) {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  const taskQueue = testTaskQueue();
  const first = await startWorkerProcess(bellhop, {
    namespace,
    taskQueue,
    failpoint: { at, nth, action: 'kill' },
    env,
  });
  processes.push(first);
  const { name } = CALLS[call];
  const task = scripted([{ toolCalls: [CALLS[call]] }, { content: 'The end.' }], userId);
  const runId = await bellhop.accept({ userId, task, tools: [name] });
  await bellhop.client.workflow.start(AGENT_RUN, {
    workflowId: runWorkflowId(runId),
    taskQueue,
    workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
    args: [{ runId, userId }],
  });
  expect((await first.exited).signal, first.tail()).toBe('SIGKILL');
  const settings = sabotage ? { sabotage: 'skip-ledger' as const } : {};
  const second = await startTakeover(bellhop, { namespace, taskQueue, settings });
  const run = await bellhop.ended(runId, PATIENCE_MS);
  await second.close();
  const asked = await bellhop.modelSandbox.requests({ marker: userId });
  const calls = await asSystem(bellhop.db, (tx) => listToolCalls(tx, runId));
  const events = await asSystem(bellhop.db, (tx) => listEvents(tx, runId, { after: 0, limit: 99 }));
  const bodies = asked.map((request) => request.body as { messages: { role: string; content: string }[] });
  return {
    run: [run.status, run.output],
    call: calls.map(({ status, attempts }) => `${status} ${attempts}`).join(),
    effects: (await bellhop.sandbox.journal({ userId })).length,
    sent: (await bellhop.sandbox.requests({ route: 'tools.execute', userId })).length,
    /** How often the model was asked, and what it was told of the call in the end. */
    asked: bodies.length,
    told: bodies.at(-1)?.messages.findLast((message) => message.role === 'tool')?.content ?? '',
    events: events.map(({ type }) => type),
    seqs: events.map(({ seq }) => seq),
  };
}

const NOTHING_LOST = ['run.started', 'model.completed', 'tool.started', 'tool.completed', 'model.completed'];
const UNKNOWN = NOTHING_LOST.map((type) => (type === 'tool.completed' ? 'tool.unknown' : type));
type Expected = { call: string; effects: number; sent: number; asked?: number; events?: string[] };

const WRITES: readonly (readonly [string, Failpoint, Expected])[] = [
  ['before its claim: done, by the next worker', 'claim:before', { call: 'done 1', effects: 1, sent: 1 }],
  ['after its claim, before it is sent: unknown', 'claim:after', { call: 'unknown 1', effects: 0, sent: 0 }],
  ['when it is sent: unknown', 'send:after', { call: 'unknown 1', effects: 1, sent: 1 }],
  ['when it is answered: unknown', 'response:after', { call: 'unknown 1', effects: 1, sent: 1 }],
  ['when its outcome is in the ledger: done', 'ledger:after', { call: 'done 1', effects: 1, sent: 1 }],
  ['before Temporal knows of it: done', 'completion:before', { call: 'done 1', effects: 1, sent: 1 }],
];

/** A read that is repeated says twice that it started; whether it left the first time is what `sent` tells. */
const REPEATED = NOTHING_LOST.flatMap((type) => (type === 'tool.started' ? [type, type] : [type]));
const READS: readonly (readonly [string, Failpoint, Expected])[] = [
  ['before it is sent: done', 'claim:after', { call: 'done 2', effects: 1, sent: 1, events: REPEATED }],
  [
    'when it is sent: done, sent again',
    'send:after',
    { call: 'done 2', effects: 2, sent: 2, events: REPEATED },
  ],
  [
    'when it is answered: done, sent again',
    'response:after',
    { call: 'done 2', effects: 2, sent: 2, events: REPEATED },
  ],
];

function expectOutcome(seen: Awaited<ReturnType<typeof dieAt>>, expected: Expected): void {
  const { call, effects, sent, asked = 2 } = expected;
  const events = expected.events ?? (call.startsWith('unknown') ? UNKNOWN : NOTHING_LOST);
  expect(seen).toMatchObject({ run: ['completed', 'The end.'], call, effects, sent, asked });
  expect(JSON.parse(seen.told)).toMatchObject({ status: call.split(' ')[0] });
  expect(seen.events).toEqual([...events, 'run.completed']);
  expect(seen.seqs).toEqual(seen.events.map((_type, i) => i + 1));
}

describe.concurrent('a worker that is killed during a write', { timeout: TIMEOUT_MS }, () => {
  test.for(WRITES)('%s', async ([, at, expected]) => {
    expectOutcome(await dieAt('write', at), expected);
  });
});

describe.concurrent('a worker that is killed during a read', { timeout: TIMEOUT_MS }, () => {
  test.for(READS)('%s', async ([, at, expected]) => {
    expectOutcome(await dieAt('read', at), expected);
  });
});

describe.concurrent(
  'a worker with @composio/core that is killed during a write',
  { timeout: TIMEOUT_MS },
  () => {
    // The points between which the SDK is at work.
    const around = WRITES.filter(
      ([, at]) => at === 'claim:after' || at === 'send:after' || at === 'response:after',
    );
    test.for(around)('%s', async ([, at, expected]) => {
      expectOutcome(await dieAt('write', at, { env: { COMPOSIO_SDK: '@composio/core' } }), expected);
    });
  },
);

describe.concurrent('a worker that is killed beside a call', { timeout: TIMEOUT_MS }, () => {
  const once = { call: 'done 1', effects: 1, sent: 1 };
  test('after the gate: nothing is told twice', async () => {
    expectOutcome(await dieAt('write', 'begin:after'), once);
  });
  test('when the model has answered: it is asked again, the call is made once', async () => {
    expectOutcome(await dieAt('write', 'model:after'), { ...once, asked: 3 });
  });
  test('when the turn is written: the model is not asked again', async () => {
    expectOutcome(await dieAt('write', 'turn:after'), once);
  });
  test('when the last turn is written: the run has ended once', async () => {
    expectOutcome(await dieAt('write', 'turn:after', { nth: 2 }), once);
  });
});

test('without the ledger’s check a write is sent twice, so these tests can fail', async () => {
  const { effects } = await dieAt('write', 'send:after', { sabotage: true });
  expect(effects).toBe(2);
});
