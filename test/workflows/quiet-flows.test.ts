/** What a connection flow asks Composio and Temporal for, and what it does not: thousands of them wait at a time. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { completeFlow, type Flow, listOpenFlows } from '../../db/flows.ts';
import { forUser } from '../../db/scope.ts';
import { flowWorkflowId, runWorkflowId } from '../../workflows/messages.ts';
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
