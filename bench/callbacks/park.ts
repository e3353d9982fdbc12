/**
 * Users with an open flow and a run that waits for it, each with a workflow of its own that is really parked in Temporal;
 * then one click each, whose account Composio shows as ACTIVE: everything but the callback has happened.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { openAttempt, setAttemptAccount } from '../../db/attempts.ts';
import { openFlow, toFlow } from '../../db/flows.ts';
import type { Database } from '../../db/pool.ts';
import { asSystem, forUser } from '../../db/scope.ts';
import { putUser } from '../../db/users.ts';
import type { SandboxControl } from '../../sandbox/composio/control.ts';
import { AGENT_RUN, runWorkflowId } from '../../workflows/messages.ts';
import { acceptBenchRun, scriptedTask } from '../accept.ts';
import type { CallbackRequest } from './fire.ts';

const TASK_QUEUE = 'bellhop';
/** Statements and starts at once: enough to keep PostgreSQL and Temporal busy, few enough not to queue for seconds. */
const AT_ONCE = 32;
/** Runs that were started and are not parked yet, and how often it is looked: enough that nothing is idle. */
const ON_THE_WAY = 24;
const LOOK_MS = 50;
const SEEDS_PER_REQUEST = 500;
const PATIENCE_MS = 30 * 60_000;

export type Parked = { readonly callbacks: readonly CallbackRequest[]; readonly runIds: readonly string[] };

export async function inLanes<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) results[i] = await work(items[i] as T);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return results;
}

/**
 * A worker must be up. One run for each of `owners`, who may be named more than once: then their runs wait for one connection. A run
 * is only started when there is room for it, so that Temporal has no backlog to keep and to look after.
 */
export async function parkRuns(
  { db, client }: { db: Database; client: Client },
  owners: readonly string[],
  onProgress: (parked: number) => void = () => undefined,
  isOver: () => boolean = () => false,
): Promise<readonly string[]> {
  const task = scriptedTask(0);
  const runIds: string[] = [];
  const onTheWay = new Set<string>();
  const start = async (index: number): Promise<void> => {
    const userId = owners[index] ?? '';
    await forUser(db, userId, (tx) => putUser(tx, userId, {}));
    const runId = await acceptBenchRun(db, userId, task);
    runIds[index] = runId;
    onTheWay.add(runId);
    await client.workflow.start(AGENT_RUN, {
      workflowId: runWorkflowId(runId),
      taskQueue: TASK_QUEUE,
      args: [{ runId, userId }],
    });
  };
  let next = 0;
  while (next < owners.length || onTheWay.size > 0) {
    if (isOver()) owners = owners.slice(0, next);
    const room = Math.min(ON_THE_WAY - onTheWay.size, owners.length - next);
    await Promise.all(Array.from({ length: room }, () => start(next++)));
    await sleep(LOOK_MS);
    for (const runId of await listParked(db, [...onTheWay])) onTheWay.delete(runId);
    onProgress(next - onTheWay.size);
  }
  return runIds;
}

async function listParked(db: Database, runIds: readonly string[]): Promise<readonly string[]> {
  if (runIds.length === 0) return [];
  const rows = await asSystem(db, (tx) =>
    tx
      .selectFrom('runs')
      .select('id')
      .where('id', 'in', [...runIds])
      .where('status', '=', 'waiting_for_connection')
      .execute(),
  );
  return rows.map(({ id }) => id);
}

/** Flows alone: rows without workflows, quickly made. What is answered is the same; nothing goes on afterwards. */
export async function openFlows(db: Database, users: readonly string[]): Promise<readonly string[]> {
  await inLanes(users, async (userId) =>
    forUser(db, userId, async (tx) => {
      await putUser(tx, userId, {});
      await openFlow(tx, {
        userId,
        app: 'slack',
        appName: 'Slack',
        reconnect: false,
        returnUrl: null,
        timeoutMs: 3_600_000,
      });
    }),
  );
  return [];
}

export async function countRuns(db: Database, statuses: readonly string[]): Promise<number> {
  const row = await asSystem(db, (tx) =>
    tx
      .selectFrom('runs')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('status', 'in', statuses as never)
      .executeTakeFirstOrThrow(),
  );
  return row.count;
}

export async function untilCount(
  count: () => Promise<number>,
  wanted: number,
  onLook: (now: number) => void = () => undefined,
): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const now = await count();
    onLook(now);
    if (now >= wanted) return;
    if (performance.now() > deadline) throw new Error(`${now} of ${wanted} after half an hour`);
    await sleep(250);
  }
}

/** What a click and a consent leave behind, for every open flow: an attempt with its secrets, an account that is ACTIVE. */
export async function consentAll(db: Database, sandbox: SandboxControl): Promise<readonly CallbackRequest[]> {
  const rows = await asSystem(db, (tx) =>
    tx.selectFrom('connection_flows').selectAll().where('status', '=', 'open').orderBy('user_id').execute(),
  );
  const flows = rows.map(toFlow);
  const accountOf = (userId: string): string => `ca_bench_${userId}`;
  for (let from = 0; from < flows.length; from += SEEDS_PER_REQUEST) {
    const seeds = flows
      .slice(from, from + SEEDS_PER_REQUEST)
      .map(({ userId, app }) => ({ id: accountOf(userId), userId, app }));
    await sandbox.seedAccounts(seeds);
  }
  return await inLanes(flows, async (flow) => {
    const { attempt, state, cookie } = await forUser(db, flow.userId, async (tx) => {
      const opened = await openAttempt(tx, flow);
      await setAttemptAccount(tx, opened.attempt.id, accountOf(flow.userId));
      return opened;
    });
    const path = `/oauth/callback/${attempt.id}?state=${state}&status=success&connected_account_id=${accountOf(flow.userId)}`;
    return { path, cookie: `bellhop-${attempt.id}=${cookie}` };
  });
}
