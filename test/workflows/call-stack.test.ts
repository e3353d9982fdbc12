/** "Call Stack" of Temporal's UI: with the few frames that are kept (workflows/preload.ts) it still says where a workflow stands. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { flowWorkflowId, progressQuery, runWorkflowId } from '../../workflows/messages.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createConnect } from '../setup/connect.ts';
import { until } from '../setup/until.ts';

let bellhop: TestBellhop;
beforeAll(async () => {
  bellhop = await startTestBellhop();
});
afterAll(() => bellhop.close());

test('of a run that waits, and of its flow, names the place in our own code', async () => {
  const userId = `u-${randomUUID()}`;
  await bellhop.putUser(userId);
  const runId = await bellhop.start({ userId, task: 'x', tools: ['SLACK_SEND_MESSAGE'] });
  const run = bellhop.client.workflow.getHandle(runWorkflowId(runId));
  await until('the workflow waits', async () => (await run.query(progressQuery)).waitingFor.length > 0);
  const flow = await createConnect(bellhop).open(userId);
  const stackOf = (id: string): Promise<string> =>
    bellhop.client.workflow.getHandle(id).query<string>('__stack_trace');
  expect(await stackOf(run.workflowId)).toMatch(/workflows\/run-waits\.ts/);
  expect(await stackOf(run.workflowId)).toMatch(/workflows\/agent-run\.ts/);
  expect(await stackOf(flowWorkflowId(flow.id))).toMatch(/workflows\/connect-account\.ts/);
});
