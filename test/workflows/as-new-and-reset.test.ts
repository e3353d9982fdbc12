/**
 * The same run in a second execution: as new, when Temporal suggests it, and after an operator's reset, which runs everything
 * from the beginning again. Keys are (run, turn) and (run, call), so neither asks the model nor calls a tool a second time.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listEvents } from '../../db/events.ts';
import { asSystem } from '../../db/scope.ts';
import { listToolCalls } from '../../db/transcript.ts';
import { createModel } from '../../model/openai.ts';
import { workerOptions } from '../../worker/create-worker.ts';
import { runWorkflowId } from '../../workflows/messages.ts';
import { type TestBellhop, scripted, startTestBellhop } from '../setup/bellhop.ts';
import { approve } from '../setup/decide.ts';
import { testTemporalAddress, testWorkflowBundle } from '../setup/temporal.ts';

const SLACK = 'SLACK_SEND_MESSAGE';
const GMAIL = 'GMAIL_SEND_EMAIL';
const write = (words: string) => ({
  name: SLACK,
  arguments: { channel: 'general', markdown_text: words },
});
const mail = (words: string) => ({ name: GMAIL, arguments: { recipient_email: 'a@b.example', body: words } });
/** The suggestion, as the bundle has it. A real one comes after thousands of events. */
const SUGGESTION = /step\.do === 'call_model' && \(0, ?\w+\.workflowInfo\)\(\)\.continueAsNewSuggested/;
/** Suggested after each turn. */
const AT_EVERY_TURN = "step.do === 'call_model' && progress.turn > (input.resume?.turn ?? 0)";
const RESET_AFTER_FIRST_TASK = 4;

let bellhop: TestBellhop;
const userId = `u-${randomUUID()}`;
beforeAll(async () => {
  bellhop = await startTestBellhop({ noWorker: true });
  await bellhop.putUser(userId);
  for (const app of ['slack', 'gmail']) await bellhop.sandbox.seedAccount({ userId, app });
});
afterAll(() => bellhop.close());

const effectsWith = async (words: string): Promise<number> =>
  (await bellhop.sandbox.journal({ userId })).filter((effect) => JSON.stringify(effect).includes(words))
    .length;
const eventsOf = async (runId: string) =>
  (await asSystem(bellhop.db, (tx) => listEvents(tx, runId, { after: 0, limit: 1_000 }))).map(
    ({ seq, type }) => `${seq} ${type}`,
  );
const callsOf = async (runId: string) => asSystem(bellhop.db, (tx) => listToolCalls(tx, runId));

/** A worker whose runs go on as new after each turn, for as long as `work` takes. */
async function asNewAtEveryTurn<T>(work: () => Promise<T>): Promise<T> {
  const code = readFileSync(await testWorkflowBundle(), 'utf8');
  expect(code.split(SUGGESTION)).toHaveLength(2);
  const connection = await NativeConnection.connect({ address: await testTemporalAddress() });
  const { db, composio, settings, modelUrl, taskQueue } = bellhop;
  const model = createModel({ apiKey: 'sandbox-model-key', baseUrl: `${modelUrl}/v1`, defaultModel: 'test' });
  const workflowBundle = { code: code.replace(SUGGESTION, AT_EVERY_TURN) };
  const deps = { db, composio, model, settings, mail: null, connection, namespace: 'default', taskQueue };
  const worker = await Worker.create(workerOptions({ ...deps, workflowBundle }));
  const result = await worker.runUntil(work);
  await connection.close();
  return result;
}

async function executionsOf(runId: string): Promise<number> {
  let execution: string | null = await firstOf(runId);
  let count = 0;
  for (; execution !== null; count += 1) execution = await nextOf(runId, execution);
  return count;
}

async function nextOf(runId: string, execution: string): Promise<string | null> {
  const handle = bellhop.client.workflow.getHandle(runWorkflowId(runId), execution);
  const last = (await handle.fetchHistory()).events?.at(-1);
  return last?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? null;
}

async function firstOf(runId: string): Promise<string> {
  const { raw } = await bellhop.client.workflow.getHandle(runWorkflowId(runId)).describe();
  return raw.workflowExecutionInfo?.firstRunId ?? '';
}

test('a run that goes on as new after each turn keeps its turns, calls, numbers and limits: each effect once', async () => {
  const words = randomUUID();
  const turns = [1, 2, 3].map((turn) => ({
    toolCalls: [write(`${words} ${turn}`), write(`${words} ${turn}b`)],
  }));
  const start = (limits: object) =>
    bellhop.start({
      userId,
      tools: [SLACK],
      task: scripted([...turns, { content: 'All done.' }], words),
      limits,
    });
  const [whole, cut] = await asNewAtEveryTurn(async () => {
    const runs = [await start({}), await start({ maxToolCalls: 4 })] as const;
    for (const run of runs) await bellhop.client.workflow.getHandle(runWorkflowId(run)).result();
    return runs;
  });
  expect(await executionsOf(whole)).toBe(4);
  expect(await bellhop.run(whole)).toMatchObject({
    status: 'completed',
    output: 'All done.',
    usage: { modelCalls: 4, toolCalls: 6 },
  });
  expect((await callsOf(whole)).map(({ status, attempts }) => `${status} ${attempts}`)).toEqual(
    Array(6).fill('done 1'),
  );
  const events = await eventsOf(whole);
  expect(events.filter((event) => event.endsWith('run.started'))).toEqual(['1 run.started']);
  expect(events.map((event) => Number.parseInt(event, 10))).toEqual(events.map((_, index) => index + 1));
  // What earlier executions have spent counts: the third turn's calls are beyond the limit, and none of them leaves.
  expect(await bellhop.run(cut)).toMatchObject({ status: 'failed', error: { code: 'limit_tool_calls' } });
  // Of the first run six, of the second four.
  expect(await effectsWith(words)).toBe(10);
});

test('a run that an operator resets to its beginning sends nothing again, waits for what it waited for, and ends once', async () => {
  await bellhop.startWorker();
  const [words, mailed] = [randomUUID(), randomUUID()];
  const runId = await bellhop.start({
    userId,
    tools: [SLACK, GMAIL],
    requireApproval: [GMAIL],
    task: scripted(
      [{ toolCalls: [write(words)] }, { toolCalls: [mail(mailed)] }, { content: 'Sent.' }],
      words,
    ),
  });
  await bellhop.until(runId, ({ status }) => status === 'waiting_for_approval', 60_000);
  const before = await eventsOf(runId);
  const handle = bellhop.client.workflow.getHandle(runWorkflowId(runId));
  await reset(runId);
  // The second execution has come as far as the first one when it waits again.
  const deadline = Date.now() + 60_000;
  while ((await handle.describe()).raw.pendingActivities?.length !== 0 || !(await isWaiting(runId))) {
    if (Date.now() > deadline) throw new Error('the second execution does not come to its wait');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(await eventsOf(runId)).toEqual(before);
  expect(await effectsWith(words)).toBe(1);
  const [, asked] = await callsOf(runId);
  await approve(bellhop, { userId, runId, callId: asked?.id ?? '' });
  expect(await bellhop.ended(runId, 60_000)).toMatchObject({ status: 'completed', usage: { modelCalls: 3 } });
  await handle.result();
  const after = await eventsOf(runId);

  // Once more, after its end: there is nothing left to do.
  await reset(runId);
  expect(await handle.result()).toEqual({ status: 'completed' });
  expect(await eventsOf(runId)).toEqual(after);
  expect(await effectsWith(words)).toBe(1);
  expect(await effectsWith(mailed)).toBe(1);
  expect(await bellhop.modelSandbox.requests({ marker: words })).toHaveLength(3);
}, 300_000);

async function isWaiting(runId: string): Promise<boolean> {
  const { events } = await bellhop.client.workflow.getHandle(runWorkflowId(runId)).fetchHistory();
  // Its own timer for the approval's end, begun after the reset.
  const names = (events ?? []).map((event) => (event.timerStartedEventAttributes ? 'timer' : null));
  return names.includes('timer');
}

async function reset(runId: string): Promise<void> {
  await bellhop.client.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId: runWorkflowId(runId) },
    workflowTaskFinishEventId: RESET_AFTER_FIRST_TASK as never,
    reason: 'a test',
    requestId: randomUUID(),
  });
}
