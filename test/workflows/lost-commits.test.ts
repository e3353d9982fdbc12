/**
 * A commit that was made and not acknowledged, at each place where a run writes: nobody may take it for one that was not made.
 * No effect and no row twice, and the run ends.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listEvents } from '../../db/events.ts';
import { createDatabase, type Database } from '../../db/pool.ts';
import { asSystem } from '../../db/scope.ts';
import { listToolCalls } from '../../db/transcript.ts';
import { AGENT_RUN, WORKFLOW_TASK_TIMEOUT, runWorkflowId } from '../../workflows/messages.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';
import { type PostgresProxy, startPostgresProxy } from '../setup/postgres-proxy.ts';

let database: TestDatabase;
let proxy: PostgresProxy;
let bellhop: TestBellhop;
/** Past the proxy: what the test looks with. */
let db: Database;
beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await startPostgresProxy(database.url);
  bellhop = await startTestBellhop({ databaseUrl: proxy.url, settings: { toolTimeoutMs: 4_000 } });
  db = createDatabase({ url: database.url, name: 'test' });
});
afterAll(async () => {
  await bellhop.close();
  await db.destroy();
  await proxy.close();
  await database.drop();
});

const WRITE = { name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'once' } };
const READ = { name: 'SLACK_LIST_CHANNELS', arguments: {} };
const TOLD = ['run.started', 'model.completed', 'tool.started', 'tool.completed', 'model.completed'];

/** Starts a run during which one commit's acknowledgement is lost. */
async function startLosing(statement: RegExp, answers: readonly object[]) {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  const run = { userId, task: scripted(answers, userId), tools: [WRITE.name, READ.name] };
  const runId = await bellhop.accept(run);
  const lost = proxy.loseCommitAfter(statement);
  await bellhop.client.workflow.start(AGENT_RUN, {
    workflowId: runWorkflowId(runId),
    taskQueue: bellhop.taskQueue,
    workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
    args: [{ runId, userId }],
  });
  return { runId, userId, lost };
}

/** A whole run of one call. */
async function runLosing(statement: RegExp, call: typeof WRITE | typeof READ = WRITE) {
  const { runId, userId, lost } = await startLosing(statement, [
    { toolCalls: [call] },
    { content: 'The end.' },
  ]);
  const { status } = await bellhop.ended(runId);
  expect(lost.times()).toBe(1);
  return { status, ...(await see(userId, runId)) };
}

async function see(userId: string, runId: string) {
  const calls = await asSystem(db, (tx) => listToolCalls(tx, runId));
  const events = await asSystem(db, (tx) => listEvents(tx, runId, { after: 0, limit: 99 }));
  return {
    call: calls.map(({ status, attempts }) => `${status} ${attempts}`).join(),
    effects: (await bellhop.sandbox.journal({ userId })).length,
    asked: (await bellhop.modelSandbox.requests({ marker: userId })).length,
    events: events.map(({ type }) => type),
  };
}

test('of the gate: the run begins once', async () => {
  expect(await runLosing(/'run\.started'/)).toEqual({
    status: 'completed',
    call: 'done 1',
    effects: 1,
    asked: 2,
    events: [...TOLD, 'run.completed'],
  });
});

test('of a turn: the model is not asked again, its calls are made once', async () => {
  expect(await runLosing(/model_calls = model_calls \+ 1/)).toEqual({
    status: 'completed',
    call: 'done 1',
    effects: 1,
    asked: 2,
    events: [...TOLD, 'run.completed'],
  });
});

test('of a write’s claim: nothing leaves in this attempt or a later one, the call is unknown', async () => {
  expect(await runLosing(/'tool\.started'/)).toEqual({
    status: 'completed',
    call: 'unknown 1',
    effects: 0,
    asked: 2,
    events: [
      'run.started',
      'model.completed',
      'tool.started',
      'tool.unknown',
      'model.completed',
      'run.completed',
    ],
  });
});

test('of a read’s claim: it is claimed again, and sent once', async () => {
  expect(await runLosing(/'tool\.started'/, READ)).toMatchObject({ call: 'done 2', effects: 1, asked: 2 });
});

test('of a write’s outcome: it is done, once, and told once', async () => {
  expect(await runLosing(/'tool\.completed'/)).toEqual({
    status: 'completed',
    call: 'done 1',
    effects: 1,
    asked: 2,
    events: [...TOLD, 'run.completed'],
  });
});

test('of the last turn: the run completes once, the model is asked once', async () => {
  const { runId, userId, lost } = await startLosing(/model_calls = model_calls \+ 1/, [
    { content: 'The end.' },
  ]);
  expect(await bellhop.ended(runId)).toMatchObject({ status: 'completed', output: 'The end.' });
  expect(lost.times()).toBe(1);
  expect(await see(userId, runId)).toMatchObject({
    asked: 1,
    events: ['run.started', 'model.completed', 'run.completed'],
  });
});

test('of a failed run’s end: it ends once', async () => {
  const { runId, userId, lost } = await startLosing(/update "runs" set [^;]*"finished_at"/, [
    { refusal: 'No.' },
  ]);
  expect(await bellhop.ended(runId)).toMatchObject({ status: 'failed' });
  expect(lost.times()).toBe(1);
  expect((await see(userId, runId)).events).toEqual(['run.started', 'model.completed', 'run.failed']);
});
