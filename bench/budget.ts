/**
 * What the budget of Composio requests costs: permits a second, statements a request at several rates, and this process'
 * CPU a request with and without it, in short alternating rounds of one run. The limit by API key stands beside it.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createCallerLimits } from '../api/caller-limits.ts';
import { createComposioBudget } from '../api/composio-budget.ts';
import { createLogger } from '../api/logger.ts';
import type { RequestBudget } from '../composio/request-budget.ts';
import { type Transport, createTransport } from '../composio/transport.ts';
import { migrateToLatest } from '../db/migrator.ts';
import { type Database, createDatabase } from '../db/pool.ts';
import { startPostgres } from '../sandbox/postgres.ts';
import { makeTemporaryFolder } from '../sandbox/temporary-folder.ts';
import { machineFacts, percentile, printTable, round } from './figures.ts';
import { startMeasured } from './measured-child.ts';

const DEFAULTS = { rounds: '20', requests: '200' } as const;
/** Far more than can be sent: the figures are of the work, not of the waiting. */
const PLENTY = 10_000_000;
/** As many as one turn's tool calls side by side. */
const SIDE_BY_SIDE = 8;
const PERMITS = 100_000;
const SECONDS = 5;
const ONE = { method: 'GET', path: '/auth_configs', query: { limit: '1' }, timeoutMs: 10_000 } as const;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function runBudget(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: DEFAULTS.rounds },
      requests: { type: 'string', default: DEFAULTS.requests },
    },
  });
  const machine = machineFacts();
  const postgres = await startPostgres({
    place: { dataDir: join(await makeTemporaryFolder('bench'), 'postgres') },
    log: () => undefined,
  });
  await migrateToLatest(postgres.url);
  const db = createDatabase({ url: postgres.url, name: 'bench' });
  const script = join(import.meta.dirname, '..', 'sandbox', 'composio', 'main.ts');
  const composio = startMeasured(script, { PATH: process.env['PATH'], HOME: process.env['HOME'] });
  const { url } = JSON.parse(await composio.firstLine(/"ready":true/)) as { url: string };

  console.log(`\nThe budget of Composio requests; ${machine}:\n`);
  printTable([['', 'requests', 'statements', 'requests a statement'], ...(await rates(db))]);
  console.log('');
  await permits(db);
  await keys(db);
  await compare(db, url, { rounds: Number(values.rounds), requests: Number(values.requests) });

  await composio.stop();
  await db.destroy();
  await postgres.stop();
}

function budgetOf(db: Database, requestsPerMinute = PLENTY): RequestBudget {
  return createComposioBudget(db, {
    requestsPerMinute,
    listenUrl: null,
    name: 'bench',
    onListenerLost: () => undefined,
  });
}

/** Statements at the rates that one process sees, with the default budget as far as that reaches. */
async function rates(db: Database): Promise<string[][]> {
  const rows: string[][] = [];
  for (const { what, perMinute, pairs, everyMs } of [
    { what: 'one tool call (2 requests) a second', perMinute: 2_000, pairs: 1, everyMs: 1_000 },
    { what: 'four tool calls at once, each second', perMinute: 2_000, pairs: 4, everyMs: 1_000 },
    { what: '25 requests a second', perMinute: 2_000, pairs: 1, everyMs: 80 },
    { what: '150 requests a second', perMinute: 10_000, pairs: 3, everyMs: 40 },
    { what: '1,000 requests a second', perMinute: 100_000, pairs: 5, everyMs: 10 },
  ]) {
    // A row that the rate before it has left full again.
    await sleep(3_000);
    const budget = budgetOf(db, perMinute);
    const until = performance.now() + SECONDS * 1_000;
    let nextMs = performance.now();
    const work: Promise<void>[] = [];
    while (performance.now() < until) {
      for (let n = 0; n < pairs; n += 1) work.push(toolCall(budget));
      nextMs += everyMs;
      await sleep(Math.max(0, nextMs - performance.now()));
    }
    await Promise.all(work);
    const { leases, runs } = budget.stats();
    rows.push([what, String(runs.used), String(leases), round(runs.used / leases)]);
  }
  return rows;
}

/** A look-up and an execution, as far apart as a quick Composio makes them. */
async function toolCall(budget: RequestBudget): Promise<void> {
  await budget.take('runs');
  await sleep(50);
  await budget.take('runs');
}

async function permits(db: Database): Promise<void> {
  const budget = budgetOf(db);
  const began = performance.now();
  for (let n = 0; n < PERMITS; n += 1) {
    const permit = budget.take('runs');
    if (permit) await permit;
  }
  const seconds = (performance.now() - began) / 1_000;
  console.log(
    `  permits, one after the other: ${Math.round(PERMITS / seconds)} a second, ${budget.stats().leases} statements for ${PERMITS}`,
  );
}

async function keys(db: Database): Promise<void> {
  const logger = createLogger({ level: 'silent', name: 'bench' });
  const { keys: limit } = createCallerLimits(db, { requestsPerMinute: PLENTY, logger });
  const cpu = process.cpuUsage();
  for (let n = 0; n < PERMITS; n += 1) await limit?.admit('bench');
  const { user, system } = process.cpuUsage(cpu);
  console.log(
    `  the limit by API key: ${round((user + system) / PERMITS, 2)} µs of CPU a request at a high rate\n`,
  );
}

async function compare(
  db: Database,
  baseUrl: string,
  { rounds, requests }: { rounds: number; requests: number },
): Promise<void> {
  const connect = (budget: RequestBudget | null) =>
    createTransport({ apiKey: 'sandbox-composio-key', baseUrl, budget });
  const sides = [connect(budgetOf(db)), connect(null)];
  for (const side of sides) await send(side, 1_000);
  const ratios: number[] = [];
  const cpuMs: number[][] = [[], []];
  for (let turn = 0; turn < rounds; turn += 1) {
    const order = turn % 2 === 0 ? [0, 1] : [1, 0];
    for (const index of order) cpuMs[index]?.push(await cpuOf(sides[index], requests));
    ratios.push((cpuMs[0]?.[turn] ?? Number.NaN) / (cpuMs[1]?.[turn] ?? Number.NaN));
  }
  const median = (list: readonly number[] | undefined) => round(percentile(list ?? [], 0.5), 3);
  printTable([
    ['CPU of one request, ms', 'median'],
    ['with the budget', median(cpuMs[0])],
    ['without', median(cpuMs[1])],
    ['ratio, median of rounds', `${round(percentile(ratios, 0.5), 2)}×`],
    ['middle half', `${round(percentile(ratios, 0.25), 2)}–${round(percentile(ratios, 0.75), 2)}`],
  ]);
  console.log(
    `\n  ${rounds} alternating rounds of ${requests} requests a side, ${SIDE_BY_SIDE} side by side.`,
  );
}

async function cpuOf(side: Transport | undefined, requests: number): Promise<number> {
  if (!side) return Number.NaN;
  const cpu = process.cpuUsage();
  await send(side, requests);
  const { user, system } = process.cpuUsage(cpu);
  return (user + system) / 1_000 / requests;
}

async function send(side: Transport, requests: number): Promise<void> {
  let left = requests;
  const client = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const { status } = await side.send(ONE);
      if (status !== 200) throw new Error(`the stand-in answered ${status}`);
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, client));
}
