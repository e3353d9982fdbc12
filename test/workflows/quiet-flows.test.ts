/** What a connection flow, and a run that waits for it, ask Composio and Temporal for, and what they do not: thousands wait at a time. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listEvents } from '../../db/events.ts';
import { completeFlow, type Flow, listOpenFlows } from '../../db/flows.ts';
import { forUser } from '../../db/scope.ts';
import { connectionCompletedSignal, flowWorkflowId, runWorkflowId } from '../../workflows/messages.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createConnect } from '../setup/connect.ts';
import { until } from '../setup/until.ts';

let bellhop: TestBellhop;
let connect: ReturnType<typeof createConnect>;
beforeAll(async () => {
  bellhop = await startTestBellhop();
  connect = createConnect(bellhop);
});
afterAll(() => bellhop.close());

async function newUser(): Promise<string> {
  const userId = `quiet-${randomUUID()}`;
  await bellhop.putUser(userId);
  return userId;
}

/** A run that has come to wait for Slack, and the flow that it waits for. */
async function park(userId: string): Promise<{ runId: string; flow: Flow }> {
  const runId = await bellhop.start({ userId, task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'] });
  await bellhop.until(runId, (run) => run.status === 'waiting_for_connection');
  const [flow] = await forUser(bellhop.db, userId, (tx) => listOpenFlows(tx, userId));
  if (!flow) throw new Error('the run waits for no flow');
  return { runId, flow };
}

/** What happened to the flow's workflow, by kind. */
const historyOf = (flow: Flow): Promise<readonly string[]> => eventsOf(flowWorkflowId(flow.id));
async function eventsOf(workflowId: string): Promise<readonly string[]> {
  const { events } = await bellhop.client.workflow.getHandle(workflowId).fetchHistory();
  return (events ?? []).map(
    (event) =>
      event.activityTaskScheduledEventAttributes?.activityType?.name ??
      Object.keys(event)
        .find((key) => key.endsWith('EventAttributes'))
        ?.replace('EventAttributes', '') ??
      'unknown',
  );
}
const untilWaiting = (workflowId: string): Promise<readonly string[]> =>
  until(`${workflowId} waits`, async () => {
    const history = await eventsOf(workflowId).catch((): readonly string[] => []);
    return history.includes('timerStarted') ? history : null;
  });
const untilItWaits = (flow: Flow): Promise<readonly string[]> => untilWaiting(flowWorkflowId(flow.id));
/** Looks at Composio of this user's Slack accounts. */
const looksOf = (userId: string): Promise<number> =>
  bellhop.sandbox.countRequests({ route: 'accounts.list', userId });
const resultOf = (flow: Flow): Promise<unknown> =>
  bellhop.client.workflow.getHandle(flowWorkflowId(flow.id)).result();

test('a flow that a gate has opened looks at nothing by itself; a second run that joins it looks once, for itself', async () => {
  const userId = await newUser();
  const { flow } = await park(userId);
  expect(await untilItWaits(flow)).toEqual([
    'workflowExecutionStarted',
    'workflowTaskScheduled',
    'workflowTaskStarted',
    'workflowTaskCompleted',
    'timerStarted',
  ]);
  expect(await looksOf(userId)).toBe(1);
  const second = await park(userId);
  await untilWaiting(runWorkflowId(second.runId));
  expect(second.flow.id).toBe(flow.id);
  expect(await looksOf(userId)).toBe(2);
  expect(await historyOf(flow)).not.toContain('workflowExecutionSignaled');
});

test('a flow that is opened minutes after another one was completed looks at once: the account may be there already', async () => {
  const userId = await newUser();
  const account = await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  const earlier = await connect.open(userId);
  await resultOf(earlier);
  await bellhop.sandbox.setStatus(account.id, 'EXPIRED');
  const { runId, flow } = await park(userId);
  expect(flow.id).not.toBe(earlier.id);
  await until('the flow has looked', async () => (await historyOf(flow)).includes('activityTaskCompleted'));
  expect(await historyOf(flow)).toContain('checkFlow');
  await bellhop.sandbox.setStatus(account.id, 'ACTIVE');
  await connect.hint(flow);
  expect((await bellhop.ended(runId)).status).toBe('completed');
});

test('a flow whose row says that it is completed ends in the task that the word came with, and its run goes on', async () => {
  const userId = await newUser();
  const { runId, flow } = await park(userId);
  await untilItWaits(flow);
  const account = await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  await forUser(bellhop.db, userId, (tx) => completeFlow(tx, flow, account.id));
  await connect.hint(flow);
  expect(await resultOf(flow)).toEqual({ status: 'completed' });
  expect((await historyOf(flow)).slice(5)).toEqual([
    'workflowExecutionSignaled',
    'workflowTaskScheduled',
    'workflowTaskStarted',
    'workflowTaskCompleted',
    'timerCanceled',
    'markerRecorded',
    'workflowExecutionCompleted',
  ]);
  expect((await bellhop.ended(runId)).status).toBe('completed');
});

test('a run whose app was connected a moment ago goes on in the task that the word came with, without a look of its gate', async () => {
  const userId = await newUser();
  const { runId, flow } = await park(userId);
  await untilWaiting(runWorkflowId(runId));
  const before = (await eventsOf(runWorkflowId(runId))).length;
  const account = await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  await forUser(bellhop.db, userId, (tx) => completeFlow(tx, flow, account.id));
  await connect.hint(flow);
  expect((await bellhop.ended(runId)).status).toBe('completed');
  const since = (await eventsOf(runWorkflowId(runId))).slice(before);
  expect(since.slice(0, 7)).toEqual([
    'workflowExecutionSignaled',
    'workflowTaskScheduled',
    'workflowTaskStarted',
    'workflowTaskCompleted',
    'timerCanceled',
    'markerRecorded',
    'callModel',
  ]);
  expect(since).not.toContain('beginRun');
  // The gate's first one, and the tool call's own.
  expect(await looksOf(userId)).toBe(2);
  const events = await forUser(bellhop.db, userId, (tx) => listEvents(tx, runId, { after: 0, limit: 20 }));
  expect(events.slice(0, 3).map(({ type, data }) => [type, data['app']])).toEqual([
    ['run.started', undefined],
    ['connection.required', 'slack'],
    ['connection.completed', 'slack'],
  ]);
});

test('a run that is woken although its app was connected long ago asks Composio, and is not fooled by its rows', async () => {
  const userId = await newUser();
  const { runId, flow } = await park(userId);
  await untilWaiting(runWorkflowId(runId));
  const account = await bellhop.sandbox.seedAccount({ userId, app: 'slack', status: 'EXPIRED' });
  await forUser(bellhop.db, userId, async (tx) => {
    await completeFlow(tx, flow, account.id);
    const ended_at = sql<Date>`now() - interval '6 minutes'`;
    await tx.updateTable('connection_flows').set({ ended_at }).where('id', '=', flow.id).execute();
  });
  await bellhop.client.workflow
    .getHandle(runWorkflowId(runId))
    .signal(connectionCompletedSignal, { app: 'slack' });
  await until('the gate has looked again', async () => {
    const history = await eventsOf(runWorkflowId(runId));
    return history.filter((event) => event === 'timerStarted').length === 2 ? history : null;
  });
  expect((await eventsOf(runWorkflowId(runId))).filter((event) => event === 'beginRun')).toHaveLength(2);
  expect((await bellhop.run(runId)).status).toBe('waiting_for_connection');
});

test('a word without a row behind it makes the flow look at Composio, and nothing more', async () => {
  const userId = await newUser();
  const { runId, flow } = await park(userId);
  await untilItWaits(flow);
  await connect.hint(flow);
  await until('the flow waits again', async () => {
    const history = await historyOf(flow);
    return history.filter((event) => event === 'timerStarted').length === 2 ? history : null;
  });
  expect(await historyOf(flow)).toContain('checkFlow');
  expect((await connect.flowOf(flow)).status).toBe('open');
  expect((await bellhop.run(runId)).status).toBe('waiting_for_connection');
});
