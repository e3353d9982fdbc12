/** Workflow code that does not come back: it ends its worker, so that somebody starts a new one, and loses nothing. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createModel } from '../../model/openai.ts';
import { BellhopWorker } from '../../worker/bellhop-worker.ts';
import { workerOptions } from '../../worker/create-worker.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { testTemporalAddress, testWorkflowBundle } from '../setup/temporal.ts';

/** The first line of a run, as the bundle has it. */
const FIRST_LINE = /async function agentRun\(input\) \{/g;

class Impatient extends BellhopWorker {
  protected static override readonly longestMs = 1_500;
}

let bellhop: TestBellhop;
beforeAll(async () => {
  bellhop = await startTestBellhop({ noWorker: true });
});
afterAll(() => bellhop.close());

test('its worker fails, and the run goes on with the next one', async () => {
  const code = readFileSync(await testWorkflowBundle(), 'utf8');
  expect(code.match(FIRST_LINE)).toHaveLength(1);
  const connection = await NativeConnection.connect({ address: await testTemporalAddress() });
  const { db, composio, settings, modelUrl, taskQueue } = bellhop;
  const model = createModel({ apiKey: 'sandbox-model-key', baseUrl: `${modelUrl}/v1`, defaultModel: 'test' });
  const worker = await Impatient.create(
    workerOptions({
      db,
      composio,
      model,
      settings,
      mail: null,
      connection,
      namespace: 'default',
      taskQueue,
      workflowBundle: { code: code.replace(FIRST_LINE, (line) => `${line} for (;;);`) },
    }),
  );
  const userId = `u-${randomUUID()}`;
  await bellhop.putUser(userId);
  const runId = await bellhop.start({ userId, task: 'x', tools: [] });
  await expect(worker.run()).rejects.toThrow(/Thread exited/);
  await connection.close();
  expect((await bellhop.run(runId)).status).toBe('running');

  await bellhop.startWorker();
  expect((await bellhop.ended(runId)).status).toBe('completed');
});
