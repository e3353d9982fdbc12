/**
 * What a SIGKILL of one of two workers costs the runs that it had: from the kill to their next activity start, by what was on
 * its way. Reads only: a write whose worker is lost waits for its request's deadline by design, and is unknown.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ServiceError } from '@temporalio/client';
import { createDatabase, type Database } from '../db/pool.ts';
import { forUser } from '../db/scope.ts';
import { putUser } from '../db/users.ts';
import { createSandboxControl } from '../sandbox/composio/control.ts';
import { createModelSandboxControl } from '../sandbox/model/control.ts';
import { AGENT_RUN, WORKFLOW_TASK_TIMEOUT, runWorkflowId } from '../workflows/messages.ts';
import { acceptBenchRun } from './accept.ts';
import { cpuMsOf } from './cpu-times.ts';
import { machineFacts, percentile, printTable, round } from './figures.ts';
import { EARLIER_WORKFLOW_TASK_TIMEOUT, writeEarlierBundle } from './recovery/earlier-settings.ts';
import {
  KINDS,
  type Kill,
  type Stall,
  fetchHistory,
  hasRepeatedActivity,
  stallOf,
} from './recovery/stalls.ts';
import { type BenchWorker, type Settings, startBenchWorker } from './recovery/workers.ts';
import { type Stand, openStand } from './stand.ts';

const READ = 'SLACK_LIST_CHANNELS';
/** Each run of a user of its own: one user's runs may have to wait for each other. */
const RUNS_AT_ONCE = 12;
const TURNS = 8;
/** Of a tool's and a model's answer: so that at a kill most runs have something on its way. */
const LATENCY = { minMs: 200, maxMs: 1_000 };
/** Between a kill and the replacement: longer than any recovery, so that a starting process does not share in it. */
const SETTLE_MS: Readonly<Record<Settings, number>> = { now: 7_000, earlier: 24_000 };
/** Each takes half a minute with the earlier settings, and the difference is no matter of percentiles. */
const EARLIER_KILLS = 12;
/** Of load on both workers before the next kill. */
const WARM_MS = 2_500;
/** Calls on their way while the cost of heartbeats is measured, and for how long. */
const BEATING_CALLS = 50;
const BEATING_MS = 10_000;

type Bench = {
  readonly stand: Stand;
  readonly db: Database;
  readonly settings: Settings;
  readonly taskQueue: string;
  readonly bundle: string | null;
};
type Killed = { readonly kill: Kill; readonly stalls: readonly Stall[] };

export async function runRecovery(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { kills: { type: 'string', default: '50' }, compare: { type: 'boolean', default: false } },
  });
  console.log(`\n${machineFacts()}\n`);
  const kills = Number(values.kills);
  for (const settings of values.compare ? (['now', 'earlier'] as const) : (['now'] as const)) {
    const stand = await openStand();
    const db = createDatabase({ url: stand.databaseUrl, name: 'bench' });
    const bundle = settings === 'earlier' ? join(stand.folder, 'earlier-workflows.js') : null;
    if (bundle !== null) await writeEarlierBundle(bundle);
    const bench = { stand, db, settings, taskQueue: 'bellhop', bundle };
    const times = settings === 'now' ? kills : Math.min(kills, EARLIER_KILLS);
    report(settings, await killAgainAndAgain(bench, times));
    await reportBeating(bench);
    await db.destroy();
    await stand.close();
  }
}

async function killAgainAndAgain(bench: Bench, times: number): Promise<readonly Killed[]> {
  const { stand } = bench;
  await createSandboxControl(stand.composioUrl).addFault({
    match: { route: 'tools.execute' },
    action: { type: 'latency', ...LATENCY, seed: 1 },
  });
  await createModelSandboxControl(stand.modelUrl).fault({
    fault: { kind: 'latency', ms: (LATENCY.minMs + LATENCY.maxMs) / 2 },
  });
  const workers = [await startWorker(bench), await startWorker(bench)];
  const load = keepBusy(bench);
  const kills: { kill: Kill; runIds: readonly string[] }[] = [];
  for (let i = 0; i < times; i += 1) {
    await delay(WARM_MS + Math.random() * 1_000);
    const victim = workers.shift();
    if (!victim) throw new Error('no worker');
    kills.push({ kill: { at: Date.now(), identity: victim.identity }, runIds: load.running() });
    process.kill(victim.pid, 'SIGKILL');
    await delay(SETTLE_MS[bench.settings]);
    workers.push(await startWorker(bench));
    console.log(`  settings ${bench.settings}: kill ${i + 1} of ${times}`);
  }
  await load.stop();
  for (const worker of workers) await worker.stop();
  // Only now: an activity's start is in the history once the activity is over, so the slowest would be missed before.
  const killed: Killed[] = [];
  for (const { kill, runIds } of kills) {
    const histories = await Promise.all(runIds.map((runId) => fetchHistory(stand.client, runId)));
    killed.push({ kill, stalls: histories.flatMap((history) => stallOf(history, kill) ?? []) });
  }
  return killed;
}

/** On a machine that is busy with other things a start may take longer than the worker itself allows. */
async function startWorker({ stand, settings, taskQueue, bundle }: Bench): Promise<BenchWorker> {
  for (let triesLeft = 5; ; triesLeft -= 1) {
    try {
      return await startBenchWorker(stand, settings, { taskQueue, bundle });
    } catch (error) {
      if (triesLeft === 0) throw error;
    }
  }
}

/** Starts a new run whenever one ends. */
function keepBusy(bench: Bench): { running: () => readonly string[]; stop: () => Promise<void> } {
  const running = new Set<string>();
  const over = new AbortController();
  const lane = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const run = await startRun(bench, TURNS);
      running.add(run.runId);
      await run.ended;
      running.delete(run.runId);
    }
  };
  const lanes = Promise.all(Array.from({ length: RUNS_AT_ONCE }, lane));
  return {
    running: () => [...running],
    stop: async () => {
      over.abort();
      await lanes;
    },
  };
}

async function startRun(
  { stand, db, settings, taskQueue }: Bench,
  turns: number,
): Promise<{ runId: string; ended: Promise<unknown> }> {
  const userId = randomUUID();
  await forUser(db, userId, (tx) => putUser(tx, userId, {}));
  await createSandboxControl(stand.composioUrl).seedAccount({ userId, app: 'slack' });
  const turn = { toolCalls: [{ name: READ, arguments: {} }] };
  const answers = [...Array.from({ length: turns }, () => turn), { content: 'Done.' }];
  const task = `Look.\n\`\`\`script\n${JSON.stringify(answers)}\n\`\`\``;
  const runId = await acceptBenchRun(db, userId, task, [READ]);
  const handle = await stand.client.workflow.start(AGENT_RUN, {
    workflowId: runWorkflowId(runId),
    taskQueue,
    workflowTaskTimeout: settings === 'now' ? WORKFLOW_TASK_TIMEOUT : EARLIER_WORKFLOW_TASK_TIMEOUT,
    args: [{ runId, userId }],
  });
  return { runId, ended: resultOf(handle) };
}

/** A busy machine's server may not answer a long poll in time; the run goes on all the same. */
async function resultOf(handle: { result: () => Promise<unknown> }): Promise<unknown> {
  for (let triesLeft = 20; ; triesLeft -= 1) {
    try {
      return await handle.result();
    } catch (error) {
      if (!(error instanceof ServiceError) || triesLeft === 0) throw error;
    }
  }
}

function report(settings: Settings, killed: readonly Killed[]): void {
  const stalls = killed.flatMap((one) => one.stalls);
  const row = (name: string, ms: readonly number[]): string[] => [
    name,
    String(ms.length),
    ...[0.5, 0.9, 0.99].map((share) => round(percentile(ms, share), 0)),
    round(Math.max(...ms), 0),
  ];
  console.log(`\nSettings ${settings}: from the kill to a run's next activity start, ms:\n`);
  printTable([
    ['', 'n', 'p50', 'p90', 'p99', 'max'],
    ...KINDS.map((kind) => [kind, stalls.filter((stall) => stall.kind === kind).map(({ ms }) => ms)] as const)
      .filter(([, ms]) => ms.length > 0)
      .map(([kind, ms]) => row(kind, ms)),
    row(
      'every run',
      stalls.map(({ ms }) => ms),
    ),
    row(
      'slowest run of each kill',
      killed.filter((one) => one.stalls.length > 0).map((one) => Math.max(...one.stalls.map(({ ms }) => ms))),
    ),
  ]);
}

/** What it costs that activities beat: one worker, many calls that do nothing but wait. */
async function reportBeating(bench: Bench): Promise<void> {
  const control = createSandboxControl(bench.stand.composioUrl);
  await control.clearFaults();
  await control.addFault({
    match: { route: 'tools.execute' },
    action: { type: 'latency', ms: BEATING_MS * 2 },
  });
  await createModelSandboxControl(bench.stand.modelUrl).reset();
  const worker = await startWorker(bench);
  const before = await control.countRequests({ route: 'tools.execute' });
  const runs = await Promise.all(Array.from({ length: BEATING_CALLS }, () => startRun(bench, 1)));
  while ((await control.countRequests({ route: 'tools.execute' })) < before + BEATING_CALLS) await delay(50);
  const from = { worker: await worker.cpuMs(), server: cpuMsOf(bench.stand.temporalPid) };
  await delay(BEATING_MS);
  const used = {
    worker: (await worker.cpuMs()) - from.worker,
    server: cpuMsOf(bench.stand.temporalPid) - from.server,
  };
  await Promise.all(runs.map((run) => run.ended));
  await worker.stop();
  const histories = await Promise.all(runs.map(({ runId }) => fetchHistory(bench.stand.client, runId)));
  const perSecond = (ms: number): string => round(ms / (BEATING_MS / 1_000));
  console.log(
    `\nSettings ${bench.settings}: ${BEATING_CALLS} calls that wait ${(BEATING_MS * 2) / 1_000} s. CPU ms per second: worker ${perSecond(used.worker)}, Temporal ${perSecond(used.server)}. Taken for lost though the worker lived: ${histories.filter(hasRepeatedActivity).length}\n`,
  );
}
