/**
 * The runbook of a stuck deployment, tried: how it shows, that nothing is lost, the way back; a reset that repeats no write; and
 * the commands of worker deployments. That a change behind `patched` goes through is in test/workflows/deploy.e2e.test.ts.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { makeTemporaryFolder } from '../../sandbox/temporary-folder.ts';
import { runWorkflowId } from '../../workflows/messages.ts';
import { replay } from '../histories/replay.ts';
import type { ApiProcess } from '../setup/api-process.ts';
import { scripted } from '../setup/bellhop.ts';
import { type ChangedBundles, makeChangedBundles } from '../setup/changed-bundles.ts';
import { until } from '../setup/until.ts';
import { type OperatedWorker, type Stand, openStand, runIn, startRun, stop, sumOf } from './stand.ts';

const WRITE = { name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'hi' } };
const READ = { name: 'SLACK_LIST_CHANNELS', arguments: {} };

let stand: Stand;
let api: ApiProcess;
let bundles: ChangedBundles;
beforeAll(async () => {
  stand = await openStand();
  [api, bundles] = await Promise.all([stand.startApi(), makeChangedBundles()]);
});
const workers: OperatedWorker[] = [];
// What an attempt that failed has left would take the next one's tasks.
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.kill();
});
afterAll(async () => await stand?.close());

const startWorker = async (bundle: string): Promise<OperatedWorker> => {
  const worker = await stand.startWorker({ BELLHOP_WORKFLOW_BUNDLE: bundle });
  workers.push(worker);
  return worker;
};
const newUser = async (name: string): Promise<string> => {
  const userId = `${name}-${randomUUID()}`;
  expect((await api.call('PUT', `/v1/users/${userId}`, { body: {} })).status).toBe(201);
  return userId;
};
const runIdOf = async (id: string) =>
  (await stand.bellhop.client.workflow.getHandle(runWorkflowId(id)).describe()).runId;

test('code that cannot replay a run stops it, visibly; the version before takes it on to its end', async () => {
  const alice = await newUser('alice');
  const old = await startWorker(bundles.old);
  const task = scripted([{ toolCalls: [WRITE] }, { content: 'Done.' }]);
  const id = await startRun(api, { userId: alice, task });
  await runIn(api, id, 'waiting_for_connection');
  await stop(old);
  const broken = await startWorker(bundles.broken);
  await stand.bellhop.sandbox.seedAccount({ userId: alice, app: 'slack' });
  await stand.bellhop.client.workflow
    .getHandle(runWorkflowId(id))
    .signal('connection-completed', { app: 'slack' });
  const failures = async () => sumOf(await broken.metrics(), 'temporal_workflow_task_execution_failed_total');
  await until('failed workflow tasks are counted', async () => (await failures()) > 0, 60_000);
  const execution = await runIdOf(id);
  const complaint = await until('the log names the rule', async () =>
    broken
      .logged()
      .split('\n')
      .find((line) => line.includes('TMPRL1100') && line.includes(execution)),
  );
  const { temporalRunId } = JSON.parse(complaint) as { temporalRunId: string };
  const byLog = () => stand.type("temporal workflow list --query '…'", `RunId="${temporalRunId}"`);
  await expect.poll(byLog, { timeout: 60_000 }).toContain(runWorkflowId(id));
  expect((await api.call('GET', `/v1/runs/${id}`)).body.status).toMatch(/^(running|waiting_for_connection)$/);

  const shown = await until('its history ends in failed workflow tasks', async () => {
    const text = await stand.type('temporal workflow show --workflow-id run-<id> -o json', id);
    return text.includes('EVENT_TYPE_WORKFLOW_TASK_FAILED') ? text : null;
  });
  expect(JSON.parse(shown)).toHaveProperty('events');
  // The broken code fails where it lies in test/histories/, the old one does not.
  const file = join(await makeTemporaryFolder('stuck'), 'stuck');
  await stand.node('test/histories/save.ts', runWorkflowId(id), file);
  const history: unknown = JSON.parse(readFileSync(`${file}.json`, 'utf8')).history;
  const saved = [{ name: 'stuck', workflowId: runWorkflowId(id), history }];
  const verdict = async (bundle: string) =>
    (await replay({ code: readFileSync(bundle, 'utf8') }, saved)).get('stuck');
  expect(await verdict(bundles.broken)).toMatch(/nondeterminism/i);
  expect(await verdict(bundles.old)).toBeNull();

  await stop(broken);
  const back = await startWorker(bundles.old);
  await runIn(api, id, 'completed');
  expect(await stand.bellhop.sandbox.journal({ userId: alice })).toHaveLength(1);
  await stop(back);
}, 400_000);

test('a reset repeats a run’s last step, and no write that was sent', async () => {
  const bob = await newUser('bob');
  const worker = await startWorker(bundles.old);
  await stand.bellhop.sandbox.seedAccount({ userId: bob, app: 'slack' });
  const task = scripted([{ toolCalls: [WRITE] }, { toolCalls: [READ] }, { content: 'Done.' }]);
  const tools = [WRITE.name, READ.name];
  const id = await startRun(api, { userId: bob, task, tools, approvals: { require: [READ.name] } });
  const { toolCalls } = await runIn(api, id, 'waiting_for_approval');
  const before = await runIdOf(id);
  const reset = "temporal workflow reset --workflow-id run-<id> --type LastWorkflowTask --reason '…'";
  await stand.type(reset, id, 'cannot be helped otherwise');
  await until('another execution of it runs', async () => (await runIdOf(id)) !== before);
  const asked = toolCalls.find((call: { tool: string }) => call.tool === READ.name);
  const decision = { body: { decision: 'approve', approver: 'dana' } };
  expect((await api.call('POST', `/v1/runs/${id}/approvals/${asked.id}`, decision)).status).toBe(200);
  await runIn(api, id, 'completed');
  expect(await stand.bellhop.sandbox.journal({ userId: bob, slug: WRITE.name })).toHaveLength(1);
  await stop(worker);
});

test('a version of a worker deployment takes work when it was made the current one', async () => {
  const carol = await newUser('carol');
  const worker = await stand.startWorker({
    TEMPORAL_DEPLOYMENT_NAME: 'bellhop',
    TEMPORAL_WORKER_BUILD_ID: 'one',
  });
  workers.push(worker);
  const describe = () =>
    stand.type('temporal worker deployment describe --name bellhop').catch((error: unknown) => String(error));
  await expect.poll(describe, { timeout: 60_000 }).toMatch(/\bone\b/);
  await stand.bellhop.sandbox.seedAccount({ userId: carol, app: 'slack' });
  const makeCurrent =
    'temporal worker deployment set-current-version --deployment-name bellhop --build-id <id> --yes';
  await stand.type(makeCurrent, 'one');
  const id = await startRun(api, { userId: carol, task: scripted([{ content: 'Done.' }]) });
  await runIn(api, id, 'completed');
  expect(await describe()).toMatch(/Current[^\n]*\bone\b/i);
  await stop(worker);
});
