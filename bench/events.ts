/**
 * Streams of events: from the commit of an event to its receipt by each of many readers, with LISTEN and by the poll alone, in
 * one run. Two API processes on one database take turns; the second one's listener is sent to where nobody answers.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { appendEvents } from '../db/events.ts';
import { migrateToLatest } from '../db/migrator.ts';
import { createDatabase, type Database } from '../db/pool.ts';
import { finishRun } from '../db/runs.ts';
import { forUser } from '../db/scope.ts';
import { putUser } from '../db/users.ts';
import { startPostgres } from '../sandbox/postgres.ts';
import { acceptBenchRun } from './accept.ts';
import { machineFacts, percentile, printTable, round } from './figures.ts';
import { type MeasuredChild, startMeasured } from './measured-child.ts';

const KEY = 'bench-key';
const USER = 'bench-user';
/** Some run's pace: a turn takes about this long when the model answers at once. */
const PACE_MS = 100;

type Api = { readonly name: string; readonly port: number; readonly child: MeasuredChild };
type Counts = { readonly readers: number; readonly paced: number; readonly burst: number };
type Outcome = { latencies: number[]; burstRates: number[]; cpuMsPerThousand: number[] };

export async function runEvents(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      readers: { type: 'string', default: '200' },
      paced: { type: 'string', default: '30' },
      burst: { type: 'string', default: '300' },
      rounds: { type: 'string', default: '3' },
    },
  });
  const counts = {
    readers: Number(values.readers),
    paced: Number(values.paced),
    burst: Number(values.burst),
  };
  const facts = machineFacts();
  const folder = mkdtempSync(join(tmpdir(), 'bellhop-bench-'));
  const postgres = await startPostgres({
    place: { dataDir: join(folder, 'postgres') },
    log: () => undefined,
  });
  await migrateToLatest(postgres.url);
  const db = createDatabase({ url: postgres.url, name: 'bench' });
  await forUser(db, USER, (tx) => putUser(tx, USER, {}));
  const apis = [
    await startApi('LISTEN and poll', postgres.url, {}),
    await startApi('poll alone', postgres.url, { DATABASE_DIRECT_URL: 'postgres://x:x@127.0.0.1:1/x' }),
  ];
  const outcomes = apis.map((): Outcome => ({ latencies: [], burstRates: [], cpuMsPerThousand: [] }));
  for (let i = 0; i < Number(values.rounds); i += 1) {
    for (const [side, api] of apis.entries()) {
      const outcome = outcomes[side];
      if (outcome) await measure(db, api, counts, outcome);
    }
  }
  print(apis, outcomes, counts, facts);
  for (const { child } of apis) await child.stop();
  await db.destroy();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function startApi(name: string, databaseUrl: string, env: Record<string, string>): Promise<Api> {
  const child = startMeasured(join(import.meta.dirname, '..', 'api', 'main.ts'), {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    PORT: '0',
    DATABASE_URL: databaseUrl,
    // Neither is asked by what is measured here.
    TEMPORAL_ADDRESS: '127.0.0.1:1',
    COMPOSIO_API_KEY: 'x',
    COMPOSIO_BASE_URL: 'http://127.0.0.1:1',
    BELLHOP_API_KEY: KEY,
    ...env,
  });
  const line = await child.firstLine(/the API listens/);
  return { name, child, port: (JSON.parse(line) as { port: number }).port };
}

async function measure(db: Database, api: Api, counts: Counts, outcome: Outcome): Promise<void> {
  const runId = await acceptBenchRun(db, USER, 'x');
  /** By sequence number. */
  const committed: number[] = [];
  const received: { seq: number; at: number }[] = [];
  const readers = await Promise.all(
    Array.from({ length: counts.readers }, () =>
      read(api.port, runId, (seq) => received.push({ seq, at: performance.now() })),
    ),
  );
  const run = { id: runId, userId: USER };
  const write = async (): Promise<void> => {
    await forUser(db, USER, (tx) =>
      appendEvents(tx, run, [{ type: 'tool.completed', data: { tool: 'T', status: 'done' } }]),
    );
    committed.push(performance.now());
  };
  // The first seconds would measure the opening of the streams.
  await sleep(1_500);
  for (let i = 0; i < counts.paced; i += 1) {
    await write();
    await sleep(PACE_MS);
  }
  await untilReceived(received, counts.paced * counts.readers);
  for (const { seq, at } of received) outcome.latencies.push(at - (committed[seq - 1] ?? Number.NaN));
  const cpuBefore = await api.child.cpuMs();
  const from = performance.now();
  for (let i = 0; i < counts.burst; i += 1) await write();
  const delivered = counts.burst * counts.readers;
  await untilReceived(received, counts.paced * counts.readers + delivered);
  outcome.burstRates.push(delivered / ((performance.now() - from) / 1_000));
  outcome.cpuMsPerThousand.push(((await api.child.cpuMs()) - cpuBefore) / (delivered / 1_000));
  await forUser(db, USER, async (tx) => {
    await finishRun(tx, runId, { status: 'cancelled' });
    await appendEvents(tx, run, [{ type: 'run.cancelled' }]);
  });
  await Promise.all(readers.map(({ ended }) => ended));
}

async function untilReceived(received: readonly unknown[], count: number): Promise<void> {
  while (received.length < count) await sleep(5);
}

/** @throws when an event is missing or comes twice. */
async function read(
  port: number,
  runId: string,
  onEvent: (seq: number) => void,
): Promise<{ ended: Promise<void> }> {
  const req = request({
    port,
    path: `/v1/runs/${runId}/events`,
    headers: { authorization: `Bearer ${KEY}`, accept: 'text/event-stream' },
    agent: false,
  });
  req.end();
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  if (res.statusCode !== 200) throw new Error(`a stream was answered with ${res.statusCode}`);
  let rest = '';
  let last = 0;
  res.setEncoding('utf8');
  res.on('data', (chunk: string) => {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const seq = Number(/^id: (\d+)$/m.exec(block)?.[1] ?? 0);
      if (seq === 0) continue;
      if (seq !== last + 1) throw new Error(`event ${seq} after ${last}`);
      last = seq;
      onEvent(seq);
    }
  });
  return { ended: once(res, 'end').then(() => undefined) };
}

function print(apis: readonly Api[], outcomes: readonly Outcome[], counts: Counts, facts: string): void {
  console.log(`\n${counts.readers} readers of one run; ${facts}.\n`);
  const median = (values: readonly number[] | undefined): number => percentile(values ?? [], 0.5);
  const row = (name: string, of: (outcome: Outcome) => number, digits: number): string[] => {
    const [listen, poll] = outcomes.map(of);
    return [
      name,
      round(listen ?? Number.NaN, digits),
      round(poll ?? Number.NaN, digits),
      `${round((listen ?? 0) / (poll ?? 1), 3)}×`,
    ];
  };
  printTable([
    ['', ...apis.map(({ name }) => name), 'ratio'],
    row('commit to receipt, p50, ms', (o) => percentile(o.latencies, 0.5), 1),
    row('commit to receipt, p99, ms', (o) => percentile(o.latencies, 0.99), 1),
    row('delivered in a burst, events/s', (o) => median(o.burstRates), 0),
    row('CPU of the API per 1,000 of them, ms', (o) => median(o.cpuMsPerThousand), 1),
  ]);
}
