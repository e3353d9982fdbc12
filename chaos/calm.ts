/** After the last fault: waits, for a bounded time, until every run has ended, everybody was told, and one audit has passed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { OperationLog } from './log.ts';
import type { Stage } from './stage.ts';
import type { Workload } from './workload.ts';

export type CalmOptions = {
  readonly calmMs: number;
  readonly log: OperationLog;
  readonly say: (line: string) => void;
};

const LOOK_EVERY_MS = 1_000;
const SAY_EVERY_MS = 15_000;

/** @returns whether everything came to rest in time. */
export async function waitForCalm(
  { stage, workload }: { stage: Stage; workload: Workload },
  { calmMs, log, say }: CalmOptions,
): Promise<boolean> {
  const deadline = Date.now() + calmMs;
  const hasEnded = await until(deadline, say, () => lookForOpenRuns(stage, workload));
  // Whom nobody's run has met is told by the audit; then the receiver has to get the notices.
  const isAudited = hasEnded && (await audit(workload, log, deadline));
  const isTold = isAudited && (await until(deadline, say, () => countPending(stage)));
  const isSettled = hasEnded && isAudited && isTold;
  log.note({ is: 'stage', what: isSettled ? 'settled' : 'not-settled' });
  return isSettled;
}

/** Looks until nothing is left. */
async function until(
  deadline: number,
  say: (line: string) => void,
  look: () => Promise<{ left: number; what: string }>,
): Promise<boolean> {
  let saidAt = Date.now();
  for (;;) {
    const { left, what } = await look().catch((error: unknown) => ({ left: 1, what: String(error) }));
    if (left === 0) return true;
    if (Date.now() > deadline) return false;
    if (Date.now() - saidAt > SAY_EVERY_MS) {
      say(`calm: ${left} ${what}`);
      saidAt = Date.now();
    }
    await sleep(LOOK_EVERY_MS);
  }
}

async function lookForOpenRuns(stage: Stage, workload: Workload): Promise<{ left: number; what: string }> {
  const rows = await query<{ id: string; user_id: string }>(
    stage,
    'select id, user_id from runs where finished_at is null',
  );
  // A start that was never answered may have made a run all the same.
  for (const row of rows) workload.adopt(row.id, row.user_id);
  const left = Math.max(rows.length, workload.open());
  return { left, what: 'runs have not ended' };
}

async function countPending(stage: Stage): Promise<{ left: number; what: string }> {
  const rows = await query<{ n: string }>(
    stage,
    "select count(*) as n from deliveries where status = 'pending'",
  );
  return { left: Number(rows[0]?.n ?? 0), what: 'notices are not delivered' };
}

async function audit({ api }: Workload, log: OperationLog, deadline: number): Promise<boolean> {
  while (Date.now() < deadline) {
    try {
      const started = await api.call('POST', '/v1/audits', { body: {} });
      const id = (started.body as { id?: string }).id ?? '';
      // 202 it is ours, 409 one was running already: then another one follows it.
      for (;;) {
        const { body } = await api.call('GET', `/v1/audits/${id}`);
        const { status } = body as { status?: string };
        if (status !== 'running') {
          log.note({
            is: 'op',
            op: 'audit',
            phase: status === 'completed' ? 'ok' : 'fail',
            status: status ?? '',
          });
          if (status === 'completed' && started.status === 202) return true;
          break;
        }
        if (Date.now() > deadline) return false;
        await sleep(500);
      }
    } catch {
      // The API is just being started.
    }
    await sleep(500);
  }
  return false;
}

/** On a connection of its own: the server may have been restarted since the last one. */
export async function query<T>(stage: Stage, statement: string): Promise<readonly T[]> {
  const client = new Client({ connectionString: stage.databaseUrl(), connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(statement)).rows as T[];
  } finally {
    await client.end();
  }
}
