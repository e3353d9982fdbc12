/**
 * "Call Stack" of Temporal's UI: with the few frames that are kept (workflows/preload.ts), and found in the source only when somebody
 * asks (worker/workflow-thread/promise-stacks.ts), it still says where a workflow stands, and the same as the SDK's own notes.
 */
import { randomUUID } from 'node:crypto';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { EnhancedStackTrace } from '@temporalio/workflow';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createModel } from '../../model/openai.ts';
import { workerOptions } from '../../worker/create-worker.ts';
import { flowWorkflowId, progressQuery, runWorkflowId } from '../../workflows/messages.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createConnect } from '../setup/connect.ts';
import { testTemporalAddress, testWorkflowBundle } from '../setup/temporal.ts';
import { until } from '../setup/until.ts';

let bellhop: TestBellhop;
beforeAll(async () => {
  bellhop = await startTestBellhop();
});
afterAll(() => bellhop.close());

/** A worker of the SDK's own class, for as long as `work` takes. */
async function withWorkerOfTheSdk<T>(work: () => Promise<T>): Promise<T> {
  const connection = await NativeConnection.connect({ address: await testTemporalAddress() });
  const { db, composio, settings, modelUrl, taskQueue } = bellhop;
  const model = createModel({ apiKey: 'sandbox-model-key', baseUrl: `${modelUrl}/v1`, defaultModel: 'test' });
  const workflowBundle = { codePath: await testWorkflowBundle() };
  const deps = { db, composio, model, settings, mail: null, connection, namespace: 'default', taskQueue };
  const worker = await Worker.create(workerOptions({ ...deps, workflowBundle }));
  const result = await worker.runUntil(work);
  await connection.close();
  return result;
}

/** Of each stack its place: the SDK's hook has two of the kept frames for itself, so its stacks are shorter. */
const placesIn = (stacks: string): readonly string[] =>
  stacks
    .split('\n\n')
    .map((stack) => stack.split('\n')[0] ?? '')
    .toSorted((a, b) => a.localeCompare(b));

test('of a run that waits, and of its flow, names the place in our own code', async () => {
  const userId = `u-${randomUUID()}`;
  await bellhop.putUser(userId);
  const runId = await bellhop.start({ userId, task: 'x', tools: ['SLACK_SEND_MESSAGE'] });
  const run = bellhop.client.workflow.getHandle(runWorkflowId(runId));
  await until('the workflow waits', async () => (await run.query(progressQuery)).waitingFor.length > 0);
  const flow = await createConnect(bellhop).open(userId);
  const stackOf = (id: string): Promise<string> =>
    bellhop.client.workflow.getHandle(id).query<string>('__stack_trace');
  // It looks once before it waits.
  await until('the flow waits', async () => /\bhinted\b/.test(await stackOf(flowWorkflowId(flow.id))));
  const both = async (): Promise<readonly string[]> => [
    await stackOf(run.workflowId),
    await stackOf(flowWorkflowId(flow.id)),
  ];
  const [ofRun = '', ofFlow = ''] = await both();
  expect(ofRun).toMatch(/workflows\/run-waits\.ts/);
  expect(ofRun).toMatch(/workflows\/agent-run\.ts/);
  expect(ofFlow).toMatch(/workflows\/connect-account\.ts/);

  const enhanced = await run.query<EnhancedStackTrace>('__enhanced_stack_trace');
  const files = enhanced.stacks.flatMap(({ locations }) => locations.map(({ file_path }) => file_path ?? ''));
  expect(files.some((file) => file.endsWith('workflows/run-waits.ts'))).toBe(true);
  expect(enhanced.stacks).toHaveLength(placesIn(ofRun).length);

  await bellhop.stopWorker();
  const ofSdk = await withWorkerOfTheSdk(both);
  expect([ofRun, ofFlow].map(placesIn)).toEqual(ofSdk.map(placesIn));
});
