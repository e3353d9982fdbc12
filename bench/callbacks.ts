/** Callbacks of thousands of users at the same moment at one API process: how they are answered, and when their runs go on. */
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Client } from '@temporalio/client';
import { createDatabase } from '../db/pool.ts';
import { asSystem } from '../db/scope.ts';
import { createSandboxControl } from '../sandbox/composio/control.ts';
import { findFreePort } from '../sandbox/free-port.ts';
import { CONNECT_ACCOUNT, flowWorkflowId, runWorkflowId } from '../workflows/messages.ts';
import { type CallbackAnswer, fireAll } from './callbacks/fire.ts';
import { consentAll, countRuns, inLanes, openFlows, parkRuns, untilCount } from './callbacks/park.ts';
import { machineFacts, percentile, printCpu, printTable, round } from './figures.ts';
import { memoryMb } from './memory.ts';
import { type MeasuredChild, startMeasured } from './measured-child.ts';
import { processFlags } from './process-flags.ts';
import { openStand } from './stand.ts';

const SAMPLE = 50;
/** A process that has served before: its code is compiled. */
const WARM_UP = 5_000;
/** Until nothing is left of the preparation: the request limit has filled up again, or nearly. */
const SETTLE_MS = 15_000;

export async function runCallbacks(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      callbacks: { type: 'string', default: '5000' },
      'to-one': { type: 'boolean', default: false },
      'answers-only': { type: 'boolean', default: false },
      rounds: { type: 'string', default: '1' },
      'requests-per-minute': { type: 'string', default: '2000' },
    },
  });
  const count = Number(values.callbacks);
  const users = values['to-one'] ? 1 : count;
  const answersOnly = values['answers-only'];
  const rounds = answersOnly ? Number(values.rounds) : 1;
  console.log(
    `${machineFacts()}\n${count} callbacks to ${users} flows, ${values['requests-per-minute']} Composio requests a minute`,
  );
  const stand = await openStand();
  const db = createDatabase({ url: stand.databaseUrl, name: 'bench' });
  const sandbox = createSandboxControl(stand.composioUrl);
  const children: MeasuredChild[] = [];
  const start = (name: 'api' | 'worker', env: Record<string, string>): MeasuredChild => {
    const main = join(import.meta.dirname, '..', name, 'main.ts');
    const child = startMeasured(main, { ...stand.env, ...env }, processFlags(name));
    children.push(child);
    return child;
  };
  try {
    const budget = { COMPOSIO_REQUESTS_PER_MINUTE: values['requests-per-minute'] };
    // One worker throughout: a crowd comes back to the one that has parked its runs, not to one that was just started.
    const worker = start('worker', budget);
    const userIds = Array.from({ length: users }, (_, i) => `u${String(i).padStart(5, '0')}`);
    const runIds = answersOnly
      ? await openFlows(db, userIds)
      : await parkRuns({ db, client: stand.client }, userIds);
    if (!answersOnly) await untilCount(() => countRuns(db, ['waiting_for_connection']), users);
    const consented = await consentAll(db, sandbox);
    const [first] = consented;
    const callbacks = values['to-one'] && first ? Array.from({ length: count }, () => first) : consented;

    const port = await findFreePort();
    const api = start('api', {
      ...budget,
      LOG_LEVEL: 'error',
      PORT: String(port),
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      BELLHOP_API_KEY: 'bench',
    });
    await untilReady(port);
    // And a full bucket: what follows is the callbacks' own.
    await fireAll(
      port,
      Array.from({ length: WARM_UP }, (_, i) => ({ path: `/oauth/callback/${i}?state=x`, cookie: '' })),
    );
    await sleep(SETTLE_MS);
    const before = (await sandbox.state()).requests;
    const idleMb = memoryMb(api.pid);
    const own = { worker: worker.pid, API: api.pid };
    const cpuBefore = stand.cpuMs(own);
    const started = performance.now();
    const resumed: [number, number][] = [];
    const watching = answersOnly
      ? Promise.resolve()
      : untilCount(
          () => countRuns(db, ['running', 'completed']),
          users,
          (now) => resumed.push([now, (performance.now() - started) / 1_000]),
        );
    const answers = await fireAll(port, callbacks);
    const answeredS = (performance.now() - started) / 1_000;
    const cpuAnswered = stand.cpuMs(own);
    printAnswers(answers, answeredS);
    printCpu(cpuBefore, cpuAnswered, count, 'callback until all were answered', 2);
    console.log(
      `the API’s memory: ${round(idleMb, 0)} MB before, ${round(memoryMb(api.pid, 'VmHWM'), 0)} at its most`,
    );
    if (answersOnly) {
      const first = { answers, before: cpuBefore, after: cpuAnswered };
      await printRounds(rounds, first, async () => {
        const before = stand.cpuMs(own);
        return { answers: await fireAll(port, callbacks), before, after: stand.cpuMs(own) };
      });
      return;
    }
    await watching;
    const after = (await sandbox.state()).requests;
    const perMinute = Number(values['requests-per-minute']);
    printResumed(resumed, users, (after.total - before.total) / (perMinute / 60));
    printRequests(before.byRoute, after.byRoute);
    printCpu(cpuBefore, stand.cpuMs(own), users, 'callback and run');
    await untilCount(async () => users - (await countOpenFlows(stand.client)), users);
    const overS = (performance.now() - started) / 1_000;
    console.log(`the flows’ workflows are over ${round(overS)} s after the first callback`);
    printCpu(cpuBefore, stand.cpuMs(own), users, 'callback, run and flow');
    await printTasks(stand.client, db, runIds);
  } finally {
    await Promise.all(children.map((child) => child.stop()));
    await db.destroy();
    await stand.close();
  }
}

async function untilReady(port: number): Promise<void> {
  await untilCount(
    async () =>
      (await fetch(`http://127.0.0.1:${port}/readyz`).then(
        (answer) => answer.ok,
        () => false,
      ))
        ? 1
        : 0,
    1,
  );
}

async function countOpenFlows(client: Client): Promise<number> {
  const query = `WorkflowType = '${CONNECT_ACCOUNT}' and ExecutionStatus = 'Running'`;
  return (await client.workflow.count(query)).count;
}

function printAnswers(answers: readonly CallbackAnswer[], answeredS: number): void {
  const times = answers.map(({ ms }) => ms);
  const kinds = Map.groupBy(answers, ({ status, kind }) => `${status} ${kind}`);
  console.log(`\nanswered in ${round(answeredS)} s`);
  printTable([
    ['answer', 'count', 'p50 ms', 'p99 ms', 'max ms'],
    ...[...kinds, ['all', answers] as const].map(([kind, some]) => {
      const own = some.map(({ ms }) => ms);
      return [
        kind,
        String(some.length),
        round(percentile(own, 0.5), 0),
        round(percentile(own, 0.99), 0),
        round(Math.max(...own), 0),
      ];
    }),
  ]);
  const failures = answers.filter(({ status }) => status === 0 || status >= 500).length;
  console.log(`5xx or no answer: ${failures}; p99 ${round(percentile(times, 0.99), 0)} ms (goal 2,000)`);
}

type Round = {
  readonly answers: readonly CallbackAnswer[];
  readonly before: Readonly<Record<string, number>>;
  readonly after: Readonly<Record<string, number>>;
};

/** The same crowd at once again: a state that was used meanwhile is refused, which costs as much. One crowd says little on a busy machine. */
async function printRounds(rounds: number, first: Round, next: () => Promise<Round>): Promise<void> {
  if (rounds === 1) return;
  const all = [first];
  while (all.length < rounds) all.push(await next());
  const rows = all.map(({ answers, before, after }) => {
    const cpuOf = (name: string): number => ((after[name] ?? 0) - (before[name] ?? 0)) / answers.length;
    const p99 = percentile(
      answers.map(({ ms }) => ms),
      0.99,
    );
    const failures = answers.filter(({ status }) => status === 0 || status >= 500).length;
    return [p99, cpuOf('API'), cpuOf('this bench'), failures] as const;
  });
  const show = ([p99, api, bench, failures]: readonly [number, number, number, number]): string[] => [
    round(p99, 0),
    round(api, 2),
    round(bench, 2),
    String(failures),
  ];
  const median = (at: 0 | 1 | 2): number =>
    percentile(
      rows.map((row) => row[at]),
      0.5,
    );
  printTable([
    ['crowd', 'p99 ms', 'API, ms each', 'this bench, ms each', '5xx or no answer'],
    ...rows.map((row, i) => [String(i + 1), ...show(row)]),
    ['median, all', ...show([median(0), median(1), median(2), rows.reduce((sum, row) => sum + row[3], 0)])],
  ]);
}

function printResumed(resumed: readonly [number, number][], users: number, budgetS: number): void {
  const at = (share: number): string =>
    round(resumed.find(([count]) => count >= users * share)?.[1] ?? Number.NaN);
  console.log(
    `\nruns that went on, seconds after the first callback: half ${at(0.5)}, 99 % ${at(0.99)}, all ${at(1)}`,
  );
  console.log(`the budget needs ${round(budgetS)} s for the requests made meanwhile (goal: that + 30 s)`);
}

function printRequests(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): void {
  const made = Object.entries(after).map(([route, count]) => [route, String(count - (before[route] ?? 0))]);
  printTable([['Composio requests since', 'count'], ...made.filter(([, count]) => count !== '0')]);
}

/** Of a sample: what each kind of workflow got and did, on average. A task that timed out was done for nothing. */
async function printTasks(
  client: Client,
  db: ReturnType<typeof createDatabase>,
  runIds: readonly string[],
): Promise<void> {
  const flows = await asSystem(db, (tx) =>
    tx.selectFrom('connection_flows').select('id').limit(SAMPLE).execute(),
  );
  const step = Math.max(1, Math.floor(runIds.length / SAMPLE));
  const runs = runIds.filter((_, i) => i % step === 0);
  const rows = await Promise.all(
    [
      ['a flow', flows.map(({ id }) => flowWorkflowId(id))] as const,
      ['a run', runs.map(runWorkflowId)] as const,
    ].map(async ([what, ids]) => {
      const histories = await inLanes(ids, (id) => client.workflow.getHandle(id).fetchHistory());
      const events = histories.flatMap((history) => history.events ?? []);
      const each = (isOne: (event: (typeof events)[number]) => unknown): string =>
        round(events.filter((event) => Boolean(isOne(event))).length / ids.length, 2);
      return [
        what,
        each((event) => event.workflowExecutionSignaledEventAttributes),
        each((event) => event.workflowTaskStartedEventAttributes),
        each((event) => event.workflowTaskTimedOutEventAttributes),
        each((event) => event.workflowTaskFailedEventAttributes),
      ];
    }),
  );
  printTable([[`means of ${SAMPLE}`, 'signals', 'tasks begun', 'timed out', 'failed'], ...rows]);
}
