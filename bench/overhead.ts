/**
 * What Bellhop costs: a run of 5 tool calls with zero-latency stand-ins, against a bare Temporal workflow whose activities
 * make the same HTTP calls and the same number of commits. Both in one run, in turns, so that the machine's moods hit both.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { createDatabase } from '../db/pool.ts';
import { forUser } from '../db/scope.ts';
import { putUser } from '../db/users.ts';
import { createSandboxControl } from '../sandbox/composio/control.ts';
import { AGENT_RUN, runWorkflowId } from '../workflows/messages.ts';
import { acceptBenchRun, scriptedTask } from './accept.ts';
import { percentile, printTable, round } from './figures.ts';
import { type MeasuredChild, startMeasured } from './measured-child.ts';
import { openStand } from './stand.ts';

const CALLS = 5;
const ROUNDS = 8;
const RUNS_PER_ROUND = 12;
const WARM_UP_RUNS = 15;
const USER = 'bench-user';

type Side = {
  readonly name: string;
  readonly child: MeasuredChild;
  readonly runOnce: () => Promise<number>;
  readonly ms: number[];
  readonly roundP50: number[];
  cpuMs: number;
  commits: number;
  requests: number;
};

export async function runOverhead(): Promise<void> {
  const stand = await openStand();
  const db = createDatabase({ url: stand.databaseUrl, name: 'bench' });
  const observer = new pg.Client({ connectionString: stand.databaseUrl });
  await observer.connect();
  await observer.query('create table bare (id bigserial primary key, run text, note text)');
  const control = createSandboxControl(stand.composioUrl);
  await forUser(db, USER, (tx) => putUser(tx, USER, {}));
  await control.seedAccount({ userId: USER, app: 'slack', status: 'ACTIVE' });
  const task = scriptedTask(CALLS);
  const [bellhop, bare] = await Promise.all([
    startWorker(
      join(import.meta.dirname, '..', 'worker', 'main.ts'),
      { ...stand.env, LOG_LEVEL: 'info', TEMPORAL_TASK_QUEUE: 'bellhop' },
      /polls/,
    ),
    startWorker(
      join(import.meta.dirname, 'bare', 'main.ts'),
      { ...stand.env, TASK_QUEUE: 'bare', MODEL_URL: stand.modelUrl, TASK: task },
      /polls/,
    ),
  ]);
  const timed = async (start: () => Promise<{ result: () => Promise<unknown> }>): Promise<number> => {
    const from = performance.now();
    const handle = await start();
    await handle.result();
    return performance.now() - from;
  };
  const newSide = (name: string, child: MeasuredChild, runOnce: () => Promise<number>): Side => ({
    name,
    child,
    runOnce,
    ms: [],
    roundP50: [],
    cpuMs: 0,
    commits: 0,
    requests: 0,
  });
  const sides = [
    newSide('Bellhop', bellhop, async () => {
      const runId = await acceptBenchRun(db, USER, task);
      const input = { runId, userId: USER };
      return timed(() =>
        stand.client.workflow.start(AGENT_RUN, {
          workflowId: runWorkflowId(runId),
          taskQueue: 'bellhop',
          args: [input],
        }),
      );
    }),
    newSide('bare', bare, () => {
      const input = { runId: randomUUID(), userId: USER, calls: CALLS };
      return timed(() =>
        stand.client.workflow.start('bareRun', {
          workflowId: `bare-${input.runId}`,
          taskQueue: 'bare',
          args: [input],
        }),
      );
    }),
  ];
  for (const side of sides) for (let i = 0; i < WARM_UP_RUNS; i += 1) await side.runOnce();
  for (let turn = 0; turn < ROUNDS; turn += 1) {
    for (const side of turn % 2 === 0 ? sides : sides.toReversed()) {
      const before = {
        cpu: await side.child.cpuMs(),
        commits: await commitsSoFar(observer),
        requests: await control.countRequests(),
      };
      const ms: number[] = [];
      for (let i = 0; i < RUNS_PER_ROUND; i += 1) ms.push(await side.runOnce());
      side.cpuMs += (await side.child.cpuMs()) - before.cpu;
      side.commits += (await commitsSoFar(observer)) - before.commits;
      side.requests += (await control.countRequests()) - before.requests;
      side.ms.push(...ms);
      side.roundP50.push(percentile(ms, 0.5));
    }
  }
  report(sides);
  await Promise.all([bellhop.stop(), bare.stop()]);
  await observer.end();
  await db.destroy();
  await stand.close();
}

function report(sides: readonly Side[]): void {
  const [ours, bare] = sides;
  if (!ours || !bare) return;
  const runs = ROUNDS * RUNS_PER_ROUND;
  console.log(
    `\nA run of ${CALLS} tool calls, ${runs} runs a side in ${ROUNDS} alternating rounds, one at a time:\n`,
  );
  printTable([
    ['', 'p50 ms', 'p99 ms', 'worker CPU ms/run', 'commits/run', 'Composio requests/run'],
    ...sides.map((side) => [
      side.name,
      round(percentile(side.ms, 0.5)),
      round(percentile(side.ms, 0.99)),
      round(side.cpuMs / runs),
      round(side.commits / runs),
      round(side.requests / runs),
    ]),
  ]);
  const ratios = ours.roundP50.map((ms, i) => ms / (bare.roundP50[i] ?? Number.NaN));
  console.log(
    `\n  p50 ratio ${round(percentile(ratios, 0.5), 2)}× (median of rounds; ${round(Math.min(...ratios), 2)} to ${round(Math.max(...ratios), 2)}), CPU ratio ${round(ours.cpuMs / bare.cpuMs, 2)}×`,
  );
  console.log(
    '  The commits of accepting a run (one transaction) are counted on Bellhop’s side; the bare side accepts nothing.',
  );
}

async function startWorker(script: string, env: NodeJS.ProcessEnv, ready: RegExp): Promise<MeasuredChild> {
  const child = startMeasured(script, env);
  await child.firstLine(ready);
  return child;
}

/** Statistics reach the view up to a second late. */
async function commitsSoFar(observer: pg.Client): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  await observer.query('select pg_stat_clear_snapshot()');
  const { rows } = await observer.query<{ n: string }>(
    'select xact_commit as n from pg_stat_database where datname = current_database()',
  );
  return Number(rows[0]?.n);
}
