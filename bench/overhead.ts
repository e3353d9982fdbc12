/**
 * What Bellhop costs: a run of 5 tool calls with zero-latency stand-ins, against a bare Temporal workflow whose activities
 * make the same HTTP calls and the same number of commits. Both in one run, in short alternating rounds, so that the
 * machine's moods hit both; the figures are medians of the rounds' ratios.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { toChatMessages } from '../activities/conversation.ts';
import { type Database, createDatabase } from '../db/pool.ts';
import type { Run } from '../db/runs.ts';
import { forUser } from '../db/scope.ts';
import { putUser } from '../db/users.ts';
import { type SandboxControl, createSandboxControl } from '../sandbox/composio/control.ts';
import { AGENT_RUN, runWorkflowId } from '../workflows/messages.ts';
import { acceptBenchRun, scriptedTask } from './accept.ts';
import { machineFacts, percentile, printTable, round } from './figures.ts';
import { startMeasured } from './measured-child.ts';
import { type Round, type Side, measureRound } from './measured-side.ts';
import { processFlags } from './process-flags.ts';
import { type Stand, openStand } from './stand.ts';

const CALLS = 5;
/** Short rounds, many of them: a mood of the machine that lasts a second then spoils few ratios. */
const DEFAULTS = { rounds: '30', runs: '4' } as const;
/** Until the compiler has seen enough: CPU per run falls for about this long, on both sides. */
const WARM_UP_RUNS = 60;
const COUNTED_RUNS = 10;
const USER = 'bench-user';

type Counts = { readonly commits: number; readonly requests: number };

export async function runOverhead(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: DEFAULTS.rounds },
      runs: { type: 'string', default: DEFAULTS.runs },
    },
  });
  const [rounds, runs] = [Number(values.rounds), Number(values.runs)];
  const machine = machineFacts();
  const stand = await openStand();
  const db = createDatabase({ url: stand.databaseUrl, name: 'bench' });
  const observer = new pg.Client({ connectionString: stand.databaseUrl });
  await observer.connect();
  await observer.query('create table bare (id bigserial primary key, run text, note text)');
  const control = createSandboxControl(stand.composioUrl);
  await forUser(db, USER, (tx) => putUser(tx, USER, {}));
  await control.seedAccount({ userId: USER, app: 'slack', status: 'ACTIVE' });
  const sides = await startSides(stand, db);
  for (const side of sides) await measureRound(side, WARM_UP_RUNS);
  const counts: Counts[] = [];
  for (const side of sides) counts.push(await count(side, observer, control));
  const measured: Round[][] = sides.map(() => []);
  for (let turn = 0; turn < rounds; turn += 1) {
    const order = sides.map((side, index) => ({ side, index }));
    for (const { side, index } of turn % 2 === 0 ? order : order.toReversed())
      measured[index]?.push(await measureRound(side, runs));
  }
  console.log(
    `\nA run of ${CALLS} tool calls, ${rounds * runs} runs a side in ${rounds} alternating rounds, one at a time; ${machine}:\n`,
  );
  report(sides, measured, counts);
  await Promise.all(sides.map((side) => side.child.stop()));
  await observer.end();
  await db.destroy();
  await stand.close();
}

async function startSides(stand: Stand, db: Database): Promise<Side[]> {
  const task = scriptedTask(CALLS);
  const start = async (script: string, env: NodeJS.ProcessEnv, flags: readonly string[] = []) => {
    const child = startMeasured(join(import.meta.dirname, script), { ...stand.env, ...env }, flags);
    await child.firstLine(/polls/);
    return child;
  };
  const workflow = (type: string, taskQueue: string, workflowId: string, input: object) => async () => {
    const options = { workflowId, taskQueue, args: [input] };
    await (await stand.client.workflow.start(type, options)).result();
  };
  const [bellhop, bare] = await Promise.all([
    start('../worker/main.ts', { LOG_LEVEL: 'info', TEMPORAL_TASK_QUEUE: 'bellhop' }, processFlags('worker')),
    start('bare/main.ts', {
      TASK_QUEUE: 'bare',
      MODEL_URL: stand.modelUrl,
      TASK: task,
      SYSTEM: systemText(),
    }),
  ]);
  return [
    {
      name: 'Bellhop',
      child: bellhop,
      prepare: async () => {
        const runId = await acceptBenchRun(db, USER, task);
        return workflow(AGENT_RUN, 'bellhop', runWorkflowId(runId), { runId, userId: USER });
      },
    },
    {
      name: 'bare',
      child: bare,
      prepare: async () => {
        const input = { runId: randomUUID(), userId: USER, calls: CALLS };
        return workflow('bareRun', 'bare', `bare-${input.runId}`, input);
      },
    },
  ];
}

/** What Bellhop tells the model first; the bare side sends the same. */
function systemText(): string {
  const run = { instructions: null } as Run;
  const [system] = toChatMessages({ run, remembered: [], messages: [], toolCalls: [] });
  return system?.content ?? '';
}

async function count(side: Side, observer: pg.Client, control: SandboxControl): Promise<Counts> {
  const look = async (): Promise<Counts> => ({
    commits: await commitsSoFar(observer),
    requests: await control.countRequests(),
  });
  let before: Counts = { commits: 0, requests: 0 };
  let after = before;
  await measureRound(side, COUNTED_RUNS, {
    before: async () => void (before = await look()),
    after: async () => void (after = await look()),
  });
  // The look itself is two statements: one transaction each.
  const commits = after.commits - before.commits - LOOK_COMMITS;
  return { commits: commits / COUNTED_RUNS, requests: (after.requests - before.requests) / COUNTED_RUNS };
}

const LOOK_COMMITS = 2;

/** Idle sessions hand their statistics in after 10 s (PGSTAT_IDLE_INTERVAL). */
const STATISTICS_DELAY_MS = 11_000;

async function commitsSoFar(observer: pg.Client): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, STATISTICS_DELAY_MS));
  await observer.query('select pg_stat_clear_snapshot()');
  const { rows } = await observer.query<{ n: string }>(
    'select xact_commit as n from pg_stat_database where datname = current_database()',
  );
  return Number(rows[0]?.n);
}

function report(sides: readonly Side[], measured: readonly Round[][], counts: readonly Counts[]): void {
  printTable([
    ['', 'p50 ms', 'p99 ms', 'worker CPU ms/run', 'commits/run', 'Composio requests/run'],
    ...sides.map(({ name }, index) => {
      const ms = measured[index]?.flatMap((one) => one.ms) ?? [];
      const cpu = measured[index]?.map((one) => one.cpuMsPerRun) ?? [];
      return [
        name,
        round(percentile(ms, 0.5)),
        round(percentile(ms, 0.99)),
        round(cpu.reduce((sum, one) => sum + one, 0) / cpu.length),
        round(counts[index]?.commits ?? Number.NaN),
        round(counts[index]?.requests ?? Number.NaN),
      ];
    }),
  ]);
  const [ours = [], bare = []] = measured;
  const ratios = (figure: (one: Round) => number): string => {
    const all = ours.map((one, i) => figure(one) / (bare[i] ? figure(bare[i]) : Number.NaN));
    const [low, middle, high] = [0.25, 0.5, 0.75].map((share) => round(percentile(all, share), 2));
    return `${middle}× (middle half of the rounds ${low} to ${high}; all ${round(Math.min(...all), 2)} to ${round(Math.max(...all), 2)})`;
  };
  console.log(`\n  p50 ratio ${ratios((one) => percentile(one.ms, 0.5))}`);
  const total = (rounds: readonly Round[]): number => rounds.reduce((sum, one) => sum + one.cpuMsPerRun, 0);
  // CPU of a round moves by half with the garbage collector's moods; of all rounds together it does not.
  console.log(
    `  CPU ratio ${round(total(ours) / total(bare), 2)}× of all rounds together; ${ratios((one) => one.cpuMsPerRun)}`,
  );
  console.log('  Accepting a run is neither timed nor counted; the bare side accepts nothing.');
}
