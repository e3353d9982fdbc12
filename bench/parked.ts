/**
 * Runs that wait for a person: how many a worker can have parked, what each costs in its memory, in Temporal and in PostgreSQL, and
 * how soon one goes on when its person has come. Almost all of them are outside the worker's cache, as they are in the world.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { getFlow } from '../db/flows.ts';
import { createDatabase, type Database } from '../db/pool.ts';
import { getRun } from '../db/runs.ts';
import { asSystem } from '../db/scope.ts';
import { RUN_STATUSES } from '../domain/statuses.ts';
import { listWaiting } from '../db/waiters.ts';
import { createSandboxControl } from '../sandbox/composio/control.ts';
import { connectionCompletedSignal, flowWorkflowId } from '../workflows/messages.ts';
import { countRuns, inLanes, parkRuns } from './callbacks/park.ts';
import { machineFacts, percentile, printCpu, printTable, round } from './figures.ts';
import { memoryMb } from './memory.ts';
import { startMeasured } from './measured-child.ts';
import { openStand, type Stand } from './stand.ts';

const MB = 1024 * 1024;
/** After the last run is parked: garbage is collected, caches are at rest. */
const SETTLE_MS = 5_000;
/** What an earlier sitting has begun counts, whatever became of it. */
const ALL = RUN_STATUSES;
const STORY_EVERY = 5_000;
/** What a resume may take before the bench says that something is wrong. */
const RESUME_PATIENCE_MS = 60_000;
/** Of the poll of a run's row: the resolution of the figures. */
const LOOK_MS = 2;

export async function runParked(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      runs: { type: 'string', default: '2000' },
      users: { type: 'string' },
      resumes: { type: 'string', default: '500' },
      folder: { type: 'string' },
      minutes: { type: 'string', default: 'Infinity' },
    },
  });
  const runs = Number(values.runs);
  const users = Math.min(Number(values.users ?? runs), runs);
  const resumes = Math.min(Number(values.resumes), users);
  console.log(`${machineFacts()}\n${runs} runs of ${users} users, each user waits for one connection`);
  const stand = await openStand(values.folder);
  const db = createDatabase({ url: stand.databaseUrl, name: 'bench' });
  const startWorker = () =>
    startMeasured(join(import.meta.dirname, '..', 'worker', 'main.ts'), { ...stand.env, LOG_LEVEL: 'info' });
  try {
    const worker = startWorker();
    await worker.firstLine(/the worker polls/);
    const idle = measure(stand, worker.pid);
    const before = await countRuns(db, ALL);
    const owners = Array.from(
      { length: Math.max(0, runs - before) },
      (_, i) => `u${String((before + i) % users).padStart(6, '0')}`,
    );
    const cpu = stand.cpuMs({ worker: worker.pid });
    const started = performance.now();
    const seconds = (): number => (performance.now() - started) / 1_000;
    const tell = sayEvery(STORY_EVERY, (parked) => {
      const { workerMb, serverMb, storeMb } = measure(stand, worker.pid);
      console.log(
        `${round(seconds(), 0)} s: ${before + parked} parked; MB: worker ${round(workerMb, 0)}, Temporal ${round(serverMb, 0)}, its store ${round(storeMb, 0)}`,
      );
    });
    const isOver = (): boolean => seconds() > Number(values.minutes) * 60;
    const now = (await parkRuns({ db, client: stand.client }, owners, tell, isOver)).length;
    if (before > 0) console.log(`${before} were there already`);
    if (now > 0) {
      console.log(`${now} parked in ${round(seconds())} s (${round(now / seconds(), 0)} a second)`);
      printCpu(cpu, stand.cpuMs({ worker: worker.pid }), now, 'run until it is parked');
    }
    if (before + now < runs) {
      console.log(`${before + now} of ${runs} so far: the same command goes on with them`);
      await worker.stop();
      return;
    }
    await sleep(SETTLE_MS);
    const parked = measure(stand, worker.pid);
    const databaseMb = await databaseSize(db);
    printMemory(idle, parked, runs, databaseMb);

    const some = await sampleRuns(db, resumes);
    const cached = await resumeAll(stand, db, some.slice(0, resumes / 2));
    await worker.stop();
    const next = startWorker();
    await next.firstLine(/the worker polls/);
    const fresh = await resumeAll(stand, db, some.slice(resumes / 2));
    console.log('\nfrom the word that somebody connected to the run at work, one after the other');
    printTable([
      ['', 'resumes', 'p50 ms', 'p99 ms', 'max ms'],
      ...(
        [
          ['by the worker that parked them', cached],
          ['by a worker that was just started', fresh],
        ] as const
      ).map(([what, times]) => [
        what,
        String(times.length),
        round(percentile(times, 0.5), 0),
        round(percentile(times, 0.99), 0),
        round(Math.max(...times), 0),
      ]),
    ]);
    await next.stop();
  } finally {
    await db.destroy();
    await stand.close();
  }
}

/** A line now and then: a hundred thousand take an hour. */
function sayEvery(step: number, say: (count: number) => void): (count: number) => void {
  let next = step;
  return (count) => {
    if (count < next) return;
    next += step;
    say(count);
  };
}

/** Of so many users, evenly over all, one run each: who connects wakes all runs of theirs. */
async function sampleRuns(db: Database, count: number): Promise<readonly string[]> {
  const rows = await asSystem(db, (tx) =>
    tx
      .selectFrom('flow_waiters')
      .select(({ fn }) => fn.min('run_id').as('run_id'))
      .where('state', '=', 'waiting')
      .groupBy('flow_id')
      // Ids are random, so this order says nothing of when a run was parked.
      .orderBy('flow_id')
      .limit(count)
      .execute(),
  );
  return rows.map((row) => row.run_id);
}

/** One after the other, so that none waits for another. @returns milliseconds. */
async function resumeAll(stand: Stand, db: Database, runIds: readonly string[]): Promise<number[]> {
  const sandbox = createSandboxControl(stand.composioUrl);
  const flows = await inLanes(runIds, async (runId) => {
    const [waiting] = await asSystem(db, (tx) => listWaiting(tx, runId));
    const flow = await asSystem(db, (tx) => getFlow(tx, waiting?.flowId ?? ''));
    if (!flow) throw new Error(`run ${runId} waits for nothing`);
    return flow;
  });
  await sandbox.seedAccounts(flows.map(({ userId, app }) => ({ userId, app })));
  const times: number[] = [];
  for (const [i, flow] of flows.entries()) {
    const from = performance.now();
    const handle = stand.client.workflow.getHandle(flowWorkflowId(flow.id));
    await handle.signal(connectionCompletedSignal, { app: flow.app });
    await untilAtWork(db, runIds[i] ?? '', from);
    times.push(performance.now() - from);
  }
  return times;
}

async function untilAtWork(db: Database, runId: string, from: number): Promise<void> {
  for (;;) {
    const run = await asSystem(db, (tx) => getRun(tx, runId));
    if (run?.status !== 'waiting_for_connection') return;
    if (performance.now() - from > RESUME_PATIENCE_MS) throw new Error(`run ${runId} does not go on`);
    await sleep(LOOK_MS);
  }
}

type Memory = {
  readonly workerMb: number;
  readonly peakMb: number;
  readonly serverMb: number;
  readonly storeMb: number;
};

function measure(stand: Stand, workerPid: number): Memory {
  const store = ['', '-wal'].map(
    (end) => statSync(join(stand.folder, `temporal.db${end}`), { throwIfNoEntry: false })?.size ?? 0,
  );
  return {
    workerMb: memoryMb(workerPid, 'VmRSS'),
    peakMb: memoryMb(workerPid, 'VmHWM'),
    serverMb: memoryMb(stand.temporalPid, 'VmRSS'),
    storeMb: store.reduce((sum, size) => sum + size, 0) / MB,
  };
}

async function databaseSize(db: Database): Promise<number> {
  const { rows } = await db.pool.query<{ size: string }>(
    'select pg_database_size(current_database())::text as size',
  );
  return Number(rows[0]?.size ?? Number.NaN) / MB;
}

function printMemory(idle: Memory, parked: Memory, runs: number, databaseMb: number): void {
  const row = (what: string, before: number, after: number): string[] => [
    what,
    round(before, 0),
    round(after, 0),
    round(((after - before) * 1024) / runs),
  ];
  printTable([
    ['MB', 'idle', 'parked', 'kB a run'],
    row('worker, resident', idle.workerMb, parked.workerMb),
    row('worker, at most so far', idle.peakMb, parked.peakMb),
    row('Temporal dev server, resident', idle.serverMb, parked.serverMb),
    row('Temporal dev server, store', idle.storeMb, parked.storeMb),
    ['PostgreSQL, whole database', '', round(databaseMb, 0), ''],
  ]);
}
