/**
 * A crowd comes between two looks of PostgreSQL at its tables: by its statistics hardly anything is open, and thousands are. Who knows
 * which row it wants must not read all that is open for it; what looks after all must read nothing else.
 */
import { expect, test } from 'vitest';
import { acceptAttemptOnce } from '../../db/accept-attempt.ts';
import { openAttempt, setAttemptAccount } from '../../db/attempts.ts';
import { listOpenFlows, listOverdueFlows } from '../../db/flows.ts';
import { listStaleDeliveries } from '../../db/notices.ts';
import { type Database, createDatabase } from '../../db/pool.ts';
import { recordTurn } from '../../db/record-turn.ts';
import { resumeRunAtOnce } from '../../db/resume-run.ts';
import { finishRun, markRunStarted, setRunStatus } from '../../db/runs.ts';
import { asSystem, forUser, forUserInTurn, forUserOnce } from '../../db/scope.ts';
import { addWaiter, listWaitingRunsByApp } from '../../db/waiters.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();
const INDEXES = [
  'connection_flows_clicked',
  'connection_flows_open_expiry',
  'deliveries_backlog',
  'deliveries_pending',
  'flow_waiters_waiting',
  'runs_not_ended',
  'runs_open_by_status',
];

/** How often each was read, by the sessions that were told to say so. */
async function reads(): Promise<Record<string, number>> {
  const rows = await the().raw<{ name: string; reads: number }>(
    'select indexrelname as name, idx_scan::int as reads from pg_stat_user_indexes where indexrelname = any($1) order by 1',
    [INDEXES],
  );
  return Object.fromEntries(rows.map(({ name, reads }) => [name, reads]));
}
const tellReads = (db: Database) => db.pool.query('select pg_stat_force_next_flush()');

async function park(db: Database, userId: string) {
  await the().newUser(userId);
  const { id: runId } = await the().newRun(userId);
  const flow = await the().newFlow(userId);
  const accountId = `ca_${userId}`;
  const attempt = await forUser(db, userId, async (tx) => {
    await markRunStarted(tx, runId, ['slack']);
    await addWaiter(tx, {
      flowId: flow.id,
      runId,
      userId,
      app: 'slack',
      reason: 'missing',
      state: 'waiting',
    });
    await setRunStatus(tx, runId, 'waiting_for_connection');
    const opened = await openAttempt(tx, flow);
    await setAttemptAccount(tx, opened.attempt.id, accountId);
    return { ...opened.attempt, accountId };
  });
  return { userId, runId, attempt };
}

/** What a crowd's callback does and its run after it, and a page that its user looks at. */
async function goOn(db: Database, { userId, runId, attempt }: Awaited<ReturnType<typeof park>>) {
  const pages = await forUser(db, userId, async (tx) => [
    (await listOpenFlows(tx, userId)).length,
    (await listWaitingRunsByApp(tx, userId)).size,
  ]);
  expect(pages).toEqual([1, 1]);
  expect(await acceptAttemptOnce(db, attempt, 'callback')).toEqual({ runIds: [runId] });
  expect(
    await forUserInTurn(db, userId, 'admit', resumeRunAtOnce({ runId, userId, userRuns: 50 })),
  ).not.toBeNull();
  const message = {
    runId,
    userId,
    turn: 1,
    content: 'Done',
    toolCalls: [],
    usage: { inputTokens: 1, outputTokens: 1 },
  };
  expect(await forUserOnce(db, userId, recordTurn({ message, events: [], output: null }))).not.toBeNull();
  expect(await forUser(db, userId, (tx) => finishRun(tx, runId, { status: 'cancelled' }))).toBe(true);
}

test('single rows are never looked for among all that is open, whatever the statistics say', async () => {
  const { url, raw } = the();
  const db = createDatabase({ url, name: 'one', maxConnections: 1 });
  await goOn(db, await park(db, 'first'));
  for (const table of ['users', 'runs', 'flow_waiters', 'connection_flows', 'connection_attempts'])
    await raw(`analyze ${table}`);
  const crowd = [];
  for (let i = 0; i < 300; i += 1) crowd.push(await park(db, `u${i}`));
  await tellReads(db);
  const before = await reads();
  expect(Object.keys(before)).toEqual(INDEXES);
  for (const one of crowd.slice(100, 120)) await goOn(db, one);
  await tellReads(db);
  expect(await reads()).toEqual(before);
  await db.destroy();
}, 60_000);

test('sweeps look among what is open only', async () => {
  const { url, raw } = the();
  const db = createDatabase({ url, name: 'sweep', maxConnections: 1 });
  await raw("insert into users (user_id) select 'ended' || i from generate_series(1, 5000) i");
  await raw(`insert into connection_flows (id, user_id, app, app_name, token, expires_at, status, ended_at)
    select 'ended' || i, 'ended' || i, 'slack', 'Slack', 'ended' || i, now(), 'expired', now() from generate_series(1, 5000) i`);
  await raw(`insert into notices (id, user_id, type, dedupe_key, data)
    select 'ended' || i, 'ended' || i, 'run.completed', 'ended' || i, '{}' from generate_series(1, 5000) i`);
  await raw(`insert into deliveries (id, notice_id, user_id, channel, status)
    select 'ended' || i, 'ended' || i, 'ended' || i, 'webhook', 'delivered' from generate_series(1, 5000) i`);
  await raw('analyze');
  const before = await reads();
  await asSystem(db, async (tx) => {
    await listOverdueFlows(tx, 100);
    await listStaleDeliveries(tx, { olderThanMs: 1_000, untriedMs: 1_000, limit: 100 });
  });
  await tellReads(db);
  const after = await reads();
  for (const index of ['connection_flows_open_expiry', 'deliveries_pending'])
    expect(after[index]).toBeGreaterThan(before[index] ?? 0);
  await db.destroy();
});
