/**
 * What a worker takes at once: cached workflows, activity slots, pollers, eager activities. The same burst of runs with each value,
 * one after the other in one sitting, against the value that the product has.
 */
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { createDatabase } from '../db/pool.ts';
import { forUser } from '../db/scope.ts';
import { putUser } from '../db/users.ts';
import { createSandboxControl } from '../sandbox/composio/control.ts';
import { AGENT_RUN, WORKFLOW_TASK_TIMEOUT, runWorkflowId } from '../workflows/messages.ts';
import { acceptBenchRun, scriptedTask } from './accept.ts';
import { countRuns, inLanes, untilCount } from './callbacks/park.ts';
import { machineFacts, printTable, round } from './figures.ts';
import { startMeasured } from './measured-child.ts';
import { openStand, type Stand } from './stand.ts';

type Options = Readonly<Record<string, number>>;
const SETTINGS: readonly (readonly [string, Options])[] = [
  ['as it is', {}],
  ['25 activity slots (100)', { maxConcurrentActivityTaskExecutions: 25 }],
  ['400 activity slots (100)', { maxConcurrentActivityTaskExecutions: 400 }],
  ['20 cached workflows (500)', { maxCachedWorkflows: 20 }],
  ['2,000 cached workflows (500)', { maxCachedWorkflows: 2_000 }],
  ['2 + 2 pollers (10 + 10)', { maxConcurrentWorkflowTaskPolls: 2, maxConcurrentActivityTaskPolls: 2 }],
  ['30 + 30 pollers (10 + 10)', { maxConcurrentWorkflowTaskPolls: 30, maxConcurrentActivityTaskPolls: 30 }],
  ['no eager activities (8)', { maxEagerActivityReservationsPerWorkflowTask: 0 }],
];
const TURNS = 2;
/** Of a tool: what slots are waited on. */
const LATENCY_MS = 500;
/** Of each setting, unmeasured: modules, connections, compiled code. */
const WARM_UP = 20;

export async function runWorker(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { runs: { type: 'string', default: '300' }, rounds: { type: 'string', default: '2' } },
  });
  const runs = Number(values.runs);
  console.log(
    `${machineFacts()}\n${runs} runs at once, ${TURNS} tool calls of ${LATENCY_MS} ms each, ${values.rounds} rounds; best of each`,
  );
  const stand = await openStand();
  await createSandboxControl(stand.composioUrl).addFault({
    match: { route: 'tools.execute' },
    action: { type: 'latency', ms: LATENCY_MS },
  });
  const best = new Map<string, { seconds: number; cpuMs: number }>();
  for (let turn = 0; turn < Number(values.rounds); turn += 1) {
    for (const [name, options] of SETTINGS) {
      const seen = await burst(stand, options, runs);
      const before = best.get(name);
      if (!before || seen.seconds < before.seconds) best.set(name, seen);
    }
  }
  const own = best.get('as it is');
  printTable([
    ['', 'seconds', 'against as it is', 'worker CPU ms a run'],
    ...[...best].map(([name, { seconds, cpuMs }]) => [
      name,
      round(seconds),
      round(seconds / (own?.seconds ?? Number.NaN), 2),
      round(cpuMs / runs),
    ]),
  ]);
  await stand.close();
}

async function burst(
  stand: Stand,
  options: Options,
  runs: number,
): Promise<{ seconds: number; cpuMs: number }> {
  const db = createDatabase({ url: stand.databaseUrl, name: 'bench' });
  const worker = startMeasured(join(import.meta.dirname, '..', 'worker', 'main.ts'), {
    ...stand.env,
    LOG_LEVEL: 'info',
    NODE_OPTIONS: `--import ${join(import.meta.dirname, 'worker-options.ts')}`,
    BENCH_WORKER_OPTIONS: JSON.stringify(options),
  });
  await worker.firstLine(/the worker polls/);
  const play = async (count: number): Promise<void> => {
    const users = Array.from({ length: count }, () => `u${Math.random().toString(36).slice(2)}`);
    await createSandboxControl(stand.composioUrl).seedAccounts(
      users.map((userId) => ({ userId, app: 'slack' })),
    );
    const ended = await countRuns(db, ['completed']);
    await inLanes(users, async (userId) => {
      await forUser(db, userId, (tx) => putUser(tx, userId, {}));
      const runId = await acceptBenchRun(db, userId, scriptedTask(TURNS));
      await stand.client.workflow.start(AGENT_RUN, {
        workflowId: runWorkflowId(runId),
        taskQueue: 'bellhop',
        workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
        args: [{ runId, userId }],
      });
    });
    await untilCount(() => countRuns(db, ['completed']), ended + count);
  };
  await play(WARM_UP);
  const [from, cpuBefore] = [performance.now(), await worker.cpuMs()];
  await play(runs);
  const seen = { seconds: (performance.now() - from) / 1_000, cpuMs: (await worker.cpuMs()) - cpuBefore };
  await worker.stop();
  await db.destroy();
  return seen;
}
