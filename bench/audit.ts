/**
 * The audit at the size it is made for: synthetic users, a stand-in Composio with an account each, 2 % of them broken. Time,
 * the worker's memory, history events and requests of an audit by users, of the next one, and of one by status; and the
 * sequential loop that the product starts from, on a sample.
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sql } from 'kysely';
import { getAudit } from '../db/audits.ts';
import { type Database, createDatabase } from '../db/pool.ts';
import { asSystem } from '../db/scope.ts';
import type { AuditMode } from '../domain/statuses.ts';
import { loadWorkflowBundle } from '../worker/workflow-bundle.ts';
import { AUDIT_CONNECTIONS, auditWorkflowId } from '../workflows/messages.ts';
import { USER_ID_SQL, userIdOf } from './audit/population.ts';
import { machineFacts, printTable, round } from './figures.ts';
import { memoryMb } from './memory.ts';
import { type MeasuredChild, startMeasured } from './measured-child.ts';
import { type Stand, openStand } from './stand.ts';

/** Users a statement, below the pool's statement time-out on a busy machine. */
const INSERT = 100_000;
const LOOK_MS = 250;
const TASK_QUEUE = 'bench';
const OPTIONS = {
  users: { type: 'string', default: '1000000' },
  /** Of each of Composio's answers, milliseconds. */
  latency: { type: 'string', default: '20' },
  'requests-per-minute': { type: 'string', default: '100000' },
  /** Users that the sequential loop goes through. */
  sample: { type: 'string', default: '500' },
  /** Also a receiver of notices, which every notice is delivered to. */
  receiver: { type: 'boolean', default: false },
} as const;

type Figures = { readonly requests: number; readonly busiestMinute: number };
type Bench = {
  readonly stand: Stand;
  readonly db: Database;
  readonly composio: { readonly url: string; readonly child: MeasuredChild };
  readonly worker: MeasuredChild;
  readonly users: number;
};

export async function runAudit(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const users = Number(values.users);
  const machine = machineFacts();
  const stand = await openStand();
  const db = createDatabase({ url: stand.databaseUrl, name: 'bench' });
  await seedUsers(db, users);
  const composio = await startComposio(users, values.latency);
  const receiver = values.receiver ? await startCounter() : null;
  // As in production the worker finds its bundle made: building it there would leave 100 MB behind.
  await loadWorkflowBundle(null);
  const worker = startMeasured(join(import.meta.dirname, '..', 'worker', 'main.ts'), {
    ...stand.env,
    LOG_LEVEL: 'info',
    // As `npm run worker` has it.
    NODE_OPTIONS: '--max-semi-space-size=4',
    TEMPORAL_TASK_QUEUE: TASK_QUEUE,
    COMPOSIO_BASE_URL: composio.url,
    COMPOSIO_REQUESTS_PER_MINUTE: values['requests-per-minute'],
    // Never of itself.
    AUDIT_CRON: '0 0 29 2 *',
    ...(receiver
      ? {
          BELLHOP_WEBHOOK_URL: receiver.url,
          BELLHOP_WEBHOOK_SECRET: Buffer.from('a secret of the bench').toString('base64'),
        }
      : {}),
  });
  await worker.firstLine(/the worker polls/);
  const idleMb = memoryMb(worker.pid);
  const bench: Bench = { stand, db, composio, worker, users };

  console.log(`\nThe audit of ${users} users, 2 % broken, ${values.latency} ms an answer; ${machine}:\n`);
  printTable([
    [
      '',
      's',
      'users/s',
      'broken',
      'told',
      'requests',
      '÷ users/100',
      'busiest minute',
      'events',
      'peak RSS',
      'CPU s',
    ],
    await auditOnce(bench, 'users, nobody told', 'users'),
    await auditOnce(bench, 'users, all told', 'users'),
    await auditOnce(bench, 'status, all told', 'status'),
  ]);
  const sequential = await oneByOne(composio.url, Number(values.sample));
  console.log(
    `\n  One user after the other, on a sample of ${values.sample}: ${round(sequential)} users/s, ${round(users / sequential / 60)} minutes for all, ${users} requests.`,
  );
  console.log(`  The worker's memory before the first audit: ${Math.round(idleMb)} MB.`);
  if (receiver) console.log(`  The receiver has ${receiver.count()} different notices.`);
  console.log(
    `  Budget ${values['requests-per-minute']} requests a minute; the busiest minute is the most that any 60 s saw arrive, since the start.`,
  );
  await worker.stop();
  await composio.child.stop();
  await db.destroy();
  await stand.close();
}

async function seedUsers(db: Database, users: number): Promise<void> {
  for (let from = 0; from < users; from += INSERT) {
    const to = Math.min(users, from + INSERT) - 1;
    await asSystem(db, (tx) =>
      sql`insert into users (user_id) select ${sql.raw(USER_ID_SQL)} from generate_series(${from}::int, ${to}::int) n`.execute(
        tx,
      ),
    );
  }
  await sql`analyze users`.execute(db);
}

async function startComposio(users: number, latencyMs: string): Promise<Bench['composio']> {
  const child = startMeasured(join(import.meta.dirname, 'audit', 'composio-stand-in.ts'), {
    PATH: process.env['PATH'],
    STAND_IN_USERS: String(users),
    STAND_IN_LATENCY_MS: latencyMs,
  });
  const { url } = JSON.parse(await child.firstLine(/"ready":true/)) as { url: string };
  return { url, child };
}

/** Counts notices by their ids, which a repeated delivery keeps. */
async function startCounter(): Promise<{ url: string; count: () => number }> {
  const ids = new Set<string>();
  const server = createServer((request, response) => {
    ids.add(String(request.headers['webhook-id']));
    request.resume().on('end', () => response.writeHead(200).end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, count: () => ids.size };
}

async function auditOnce(bench: Bench, name: string, mode: AuditMode): Promise<string[]> {
  const { stand, db, composio, worker, users } = bench;
  const before = await figuresOf(composio.url);
  const cpuBefore = await worker.cpuMs();
  const auditId = randomUUID();
  let peakMb = memoryMb(worker.pid);
  const look = setInterval(() => (peakMb = Math.max(peakMb, memoryMb(worker.pid))), LOOK_MS);
  const from = performance.now();
  const handle = await stand.client.workflow.start(AUDIT_CONNECTIONS, {
    workflowId: auditWorkflowId(auditId),
    taskQueue: TASK_QUEUE,
    args: [{ auditId, mode }],
  });
  await handle.result();
  const seconds = (performance.now() - from) / 1_000;
  clearInterval(look);
  const { historyLength } = await handle.describe();
  const audit = await asSystem(db, (tx) => getAudit(tx, auditId));
  const after = await figuresOf(composio.url);
  const requests = after.requests - before.requests;
  return [
    name,
    round(seconds),
    String(Math.round(users / seconds)),
    String(audit?.broken),
    String(audit?.notified),
    String(requests),
    round(requests / (users / 100), 3),
    String(after.busiestMinute),
    String(historyLength),
    `${Math.round(peakMb)} MB`,
    round(((await worker.cpuMs()) - cpuBefore) / 1_000),
  ];
}

async function figuresOf(url: string): Promise<Figures> {
  return (await (await fetch(`${url}/figures`)).json()) as Figures;
}

/** The loop of the article: for each user, their connections; for each that is EXPIRED or FAILED, tell. @returns users a second. */
async function oneByOne(url: string, sample: number): Promise<number> {
  const from = performance.now();
  let told = 0;
  for (let index = 0; index < sample; index += 1) {
    const answer = await fetch(`${url}/api/v3.1/connected_accounts?user_ids=${userIdOf(index)}`);
    const { items } = (await answer.json()) as { items: { status: string }[] };
    for (const { status } of items) if (status === 'EXPIRED' || status === 'FAILED') told += 1;
  }
  if (told === 0) throw new Error('the sample has no broken connection');
  return sample / ((performance.now() - from) / 1_000);
}
