/** What NOTIFY costs those who write: commits per second of writers at once, each to a run of its own. */
import { parseArgs } from 'node:util';
import pg from 'pg';
import { appendEvents } from '../db/events.ts';
import { listenToRuns } from '../db/listen.ts';
import { createDatabase, type Database } from '../db/pool.ts';
import { forUser } from '../db/scope.ts';
import { putUser } from '../db/users.ts';
import { acceptBenchRun } from './accept.ts';
import { machineFacts, percentile, printTable, round } from './figures.ts';
import { openScratchPostgres } from './scratch-postgres.ts';

const ROUND_MS = 2_000;
const TRIGGER = 'runs_notify_watchers';
/** What is done to the table before a round. */
const VARIANTS = [
  ['no trigger', `alter table runs disable trigger ${TRIGGER}`],
  [
    'nobody watches',
    `alter table runs enable trigger ${TRIGGER}; set role bellhop_system; update runs set watched_until = null; reset role`,
  ],
  [
    'every run is watched',
    `alter table runs enable trigger ${TRIGGER}; set role bellhop_system; update runs set watched_until = now() + interval '1 hour'; reset role`,
  ],
] as const;

export async function runNotify(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { writers: { type: 'string', default: '8' }, rounds: { type: 'string', default: '10' } },
  });
  const writers = Number(values.writers);
  const facts = machineFacts();
  const postgres = await openScratchPostgres();
  const db = createDatabase({ url: postgres.url, name: 'bench', maxConnections: writers });
  const owner = new pg.Client({ connectionString: postgres.url });
  await owner.connect();
  const ready = Promise.withResolvers<void>();
  const listener = listenToRuns({
    url: postgres.url,
    name: 'bench-listen',
    onChange: () => undefined,
    onReady: ready.resolve,
    onLost: ready.reject,
  });
  await ready.promise;
  const runs = await Promise.all(Array.from({ length: writers }, (_, i) => newRun(db, `user-${i}`)));
  const rates = VARIANTS.map((): number[] => []);
  for (let i = 0; i < Number(values.rounds); i += 1) {
    for (const [variant, [, statement]] of VARIANTS.entries()) {
      await owner.query(statement);
      rates[variant]?.push(await commitsPerSecond(db, runs));
    }
  }
  console.log(`\n${writers} writers; ${facts}.\n`);
  const base = rates[0] ?? [];
  printTable([
    ['', 'commits/s, median', 'of "no trigger", median of rounds'],
    ...VARIANTS.map(([name], variant) => [
      name,
      round(percentile(rates[variant] ?? [], 0.5), 0),
      `${round(
        percentile(
          (rates[variant] ?? []).map((rate, i) => rate / (base[i] ?? Number.NaN)),
          0.5,
        ),
        2,
      )}×`,
    ]),
  ]);
  await listener.close();
  await owner.end();
  await db.destroy();
  await postgres.close();
}

async function newRun(db: Database, userId: string): Promise<{ id: string; userId: string }> {
  await forUser(db, userId, (tx) => putUser(tx, userId, {}));
  return { id: await acceptBenchRun(db, userId, 'x'), userId };
}

async function commitsPerSecond(
  db: Database,
  runs: readonly { id: string; userId: string }[],
): Promise<number> {
  let commits = 0;
  const from = performance.now();
  await Promise.all(
    runs.map(async (run) => {
      while (performance.now() - from < ROUND_MS) {
        await forUser(db, run.userId, (tx) => appendEvents(tx, run, [{ type: 'tool.completed' }]));
        commits += 1;
      }
    }),
  );
  return commits / ((performance.now() - from) / 1_000);
}
