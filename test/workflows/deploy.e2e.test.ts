/**
 * A run that waits for OAuth lives through a deployment of changed workflow code: real worker processes, two bundles, SIGTERM to
 * the old one. A change behind `patched` takes effect where the run goes on; the same change without it stops the run, visibly,
 * until code that fits is deployed.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { getFlow } from '../../db/flows.ts';
import { asSystem, forUser } from '../../db/scope.ts';
import { listWaiting } from '../../db/waiters.ts';
import { runWorkflowId } from '../../workflows/messages.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { type ChangedBundles, makeChangedBundles } from '../setup/changed-bundles.ts';
import { createConnect } from '../setup/connect.ts';
import { createTestNamespace } from '../setup/temporal.ts';
import { until } from '../setup/until.ts';
import { startWorkerProcess, type WorkerProcess } from '../setup/worker-process.ts';

let bellhop: TestBellhop;
let namespace: string;
let bundles: ChangedBundles;
const processes: WorkerProcess[] = [];
beforeAll(async () => {
  // Its own namespace: worker/main.ts makes Schedules with fixed ids.
  namespace = await createTestNamespace();
  bellhop = await startTestBellhop({ noWorker: true, namespace });
  bundles = await makeChangedBundles();
});
// What an attempt that failed has left would take the next one's tasks.
afterEach(async () => {
  for (const process of processes.splice(0)) await process.kill();
});
afterAll(() => bellhop?.close());

async function startWorker(
  bundle: string,
  env: Readonly<Record<string, string>> = {},
): Promise<WorkerProcess> {
  const worker = await startWorkerProcess(bellhop, {
    namespace,
    env: { BELLHOP_WORKFLOW_BUNDLE: bundle, ...env },
  });
  processes.push(worker);
  await worker.polls;
  return worker;
}

async function stop(worker: WorkerProcess): Promise<void> {
  worker.signal('SIGTERM');
  expect(await worker.exited, worker.tail()).toEqual({ code: 0, signal: null });
}

async function startWaitingRun(): Promise<{ userId: string; runId: string }> {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  const runId = await bellhop.start({ userId, task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'] });
  await bellhop.until(runId, (run) => run.status === 'waiting_for_connection', 60_000);
  return { userId, runId };
}

/** The user clicks, consents, and comes back. */
async function consent({ userId, runId }: { userId: string; runId: string }): Promise<void> {
  const connect = createConnect(bellhop);
  const [waiting] = await asSystem(bellhop.db, (tx) => listWaiting(tx, runId));
  const flow = await forUser(bellhop.db, userId, (tx) => getFlow(tx, waiting?.flowId ?? ''));
  if (!flow) throw new Error('the run waits for no flow');
  const click = await connect.click(flow);
  await bellhop.sandbox.consent(click.redirectUrl, 'approve');
  expect(await connect.callback(flow, click)).toBe(true);
}

async function historyOf(runId: string) {
  const { events = [] } = await bellhop.client.workflow.getHandle(runWorkflowId(runId)).fetchHistory();
  return events ?? [];
}

/** The patches that a run's history holds, and by which builds its workflow tasks were done. */
async function trace(runId: string): Promise<{ patches: string[]; builds: string[] }> {
  const patches: string[] = [];
  const builds = new Set<string>();
  for (const event of await historyOf(runId)) {
    const details = event.markerRecordedEventAttributes?.details ?? {};
    for (const payload of Object.values(details).flatMap((found) => found.payloads ?? []))
      patches.push(
        ...['before-gate', 'after-gate'].filter((id) =>
          Buffer.from(payload.data ?? [])
            .toString()
            .includes(id),
        ),
      );
    const { buildId } = event.workflowTaskCompletedEventAttributes?.deploymentVersion ?? {};
    if (buildId) builds.add(buildId);
  }
  return { patches, builds: [...builds] };
}

describe('a run that waits for OAuth while workflow code is deployed', () => {
  test('ends with the new code, and a change behind `patched` takes effect where it goes on', async () => {
    const old = await startWorker(bundles.old);
    const run = await startWaitingRun();
    await stop(old);
    const changed = await startWorker(bundles.changed);
    const fresh = await startWaitingRun();
    await consent(run);
    await consent(fresh);
    for (const { runId, userId } of [run, fresh]) {
      expect((await bellhop.ended(runId, 60_000)).status).toBe('completed');
      expect(await bellhop.sandbox.journal({ userId })).toHaveLength(1);
    }
    expect((await trace(run.runId)).patches).toEqual(['after-gate']);
    expect((await trace(fresh.runId)).patches).toEqual(['before-gate', 'after-gate']);
    await stop(changed);
  }, 300_000);

  test('stops at a change without `patched`, and goes on when that is taken back', async () => {
    const old = await startWorker(bundles.old);
    const run = await startWaitingRun();
    await stop(old);
    const broken = await startWorker(bundles.broken);
    await consent(run);
    const failure = await until(
      'a workflow task that does not fit',
      async () =>
        (await historyOf(run.runId)).find((event) => event.workflowTaskFailedEventAttributes)
          ?.workflowTaskFailedEventAttributes,
      60_000,
    );
    expect(failure.failure?.message).toMatch(/nondeterminism/i);
    expect((await bellhop.run(run.runId)).status).not.toBe('completed');
    await stop(broken);
    const again = await startWorker(bundles.old);
    expect((await bellhop.ended(run.runId, 60_000)).status).toBe('completed');
    expect(await bellhop.sandbox.journal({ userId: run.userId })).toHaveLength(1);
    await stop(again);
  }, 300_000);

  test('moves to the version of a worker deployment that becomes current, while the old one still runs', async () => {
    const version = (buildId: string) => ({
      TEMPORAL_DEPLOYMENT_NAME: 'bellhop',
      TEMPORAL_WORKER_BUILD_ID: buildId,
    });
    const old = await startWorker(bundles.old, version('one'));
    expect(old.tail()).toContain('temporal worker deployment set-current-version');
    await makeCurrent('one');
    const run = await startWaitingRun();
    const changed = await startWorker(bundles.changed, version('two'));
    await makeCurrent('two');
    await consent(run);
    expect((await bellhop.ended(run.runId, 60_000)).status).toBe('completed');
    expect(await bellhop.sandbox.journal({ userId: run.userId })).toHaveLength(1);
    expect(await trace(run.runId)).toEqual({ patches: ['after-gate'], builds: ['one', 'two'] });
    await stop(old);
    await stop(changed);
  }, 300_000);
});

/** As `temporal worker deployment set-current-version` does; a version is known to the server a moment after it polls. */
async function makeCurrent(buildId: string): Promise<void> {
  const { workflowService } = bellhop.client;
  await until(
    `version ${buildId} current`,
    async () => {
      try {
        await workflowService.setWorkerDeploymentCurrentVersion({
          namespace,
          deploymentName: 'bellhop',
          buildId,
        });
        return true;
      } catch {
        return false;
      }
    },
    60_000,
  );
}
