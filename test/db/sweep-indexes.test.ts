/**
 * A crowd comes between two looks of PostgreSQL at its tables: by its statistics hardly anything is open, and thousands are. Who knows
 * which row it wants must not read all that is open for it; what looks after all must read nothing else.
 */
import { expect, test } from 'vitest';
import { acceptAttemptOnce } from '../../db/accept-attempt.ts';
import { openAttempt, setAttemptAccount } from '../../db/attempts.ts';
import { type Flow, listOpenFlows, listOverdueFlows } from '../../db/flows.ts';
import { listDeliveries, listStaleDeliveries } from '../../db/notices.ts';
import { type Database, createDatabase } from '../../db/pool.ts';
import { recordTurn } from '../../db/record-turn.ts';
import { resumeRunAtOnce } from '../../db/resume-run.ts';
import { finishRun, listQuietRuns, listUnheardCancels, listUnstartedRuns } from '../../db/runs.ts';
import { type SystemTx, asSystem, forUser, forUserInTurn, forUserOnce } from '../../db/scope.ts';
import { listMissedWakes, listWaitingRunsByApp } from '../../db/waiters.ts';
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

const TABLES = [
  'connection_attempts',
  'connection_flows',
  'deliveries',
  'flow_waiters',
  'messages',
  'run_events',
  'runs',
  'users',
];

/** How often each index was read, and how many rows of each table by reading the whole, by the sessions that were told to say so. */
async function reads(): Promise<Record<string, number>> {
  const rows = await the().raw<{ name: string; reads: number }>(
    `select indexrelname as name, idx_scan::int as reads from pg_stat_user_indexes where indexrelname = any($1)
     union all select relname, seq_tup_read::int from pg_stat_user_tables where relname = any($2) order by 1`,
    [INDEXES, TABLES],
  );
  return Object.fromEntries(rows.map(({ name, reads }) => [name, reads]));
}
const tellReads = (db: Database) => db.pool.query('select pg_stat_force_next_flush()');

async function park(db: Database, userId: string) {
  const { runId, flows } = await the().parkRun(await the().newUser(userId));
  const accountId = `ca_${userId}`;
  const attempt = await forUser(db, userId, async (tx) => {
    const opened = await openAttempt(tx, flows.get('slack') as Flow);
    await setAttemptAccount(tx, opened.attempt.id, accountId);
    return { ...opened.attempt, accountId };
  });
  return { userId, runId, attempt };
}

/** A page that a user looks at who is asked to connect. */
async function look(db: Database, { userId }: Awaited<ReturnType<typeof park>>) {
  const pages = await forUser(db, userId, async (tx) => [
    (await listOpenFlows(tx, userId)).length,
    (await listWaitingRunsByApp(tx, userId)).size,
  ]);
  expect(pages).toEqual([1, 1]);
}

/** What a crowd's callback does and its run after it. */
async function goOn(db: Database, { userId, runId, attempt }: Awaited<ReturnType<typeof park>>) {
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

test('single rows are never looked for among all, whatever the statistics say and plans that were kept', async () => {
  const { url, raw } = the();
  const db = createDatabase({ url, name: 'one', maxConnections: 1 });
  for (const userId of ['first', 'second']) {
    await goOn(db, await park(db, userId));
    // The second is planned by these: each table is a page, which is read sooner than an index.
    for (const table of TABLES) await raw(`analyze ${table}`);
  }
  await goOn(db, await park(db, 'third'));
  const crowd = [];
  for (let i = 0; i < 300; i += 1) crowd.push(await park(db, `u${i}`));
  await tellReads(db);
  const before = await reads();
  expect(Object.keys(before).toSorted()).toEqual([...INDEXES, ...TABLES].toSorted());
  for (const one of crowd.slice(100, 120)) await goOn(db, one);
  await tellReads(db);
  expect(await reads()).toEqual(before);
  // Not prepared, so it may well read the whole of a small table, by its size at that moment.
  for (const one of crowd.slice(120, 140)) await look(db, one);
  await tellReads(db);
  expect(await reads()).toMatchObject(Object.fromEntries(INDEXES.map((name) => [name, before[name]])));
  await db.destroy();
}, 60_000);

const SWEEPS: readonly ((tx: SystemTx) => Promise<readonly unknown[]>)[] = [
  (tx) => listOverdueFlows(tx, 100),
  (tx) => listStaleDeliveries(tx, { olderThanMs: 1_000, untriedMs: 1_000, limit: 100 }),
  (tx) => listDeliveries(tx, { status: 'pending', before: null, limit: 100 }),
  (tx) => listMissedWakes(tx, 100),
  (tx) => listQuietRuns(tx, { quietForMs: 1_000, after: null, limit: 100 }),
  (tx) => listUnheardCancels(tx, { olderThanMs: 1_000, limit: 100 }),
  (tx) => listUnstartedRuns(tx, { olderThanMs: 1_000, limit: 100 }),
];

test('sweeps look among what is open only', async () => {
  const { url, raw } = the();
  const db = createDatabase({ url, name: 'sweep', maxConnections: 1 });
  await raw('truncate users cascade');
  const { userId, runId, attempt } = await park(db, 'over');
  await goOn(db, { userId, runId, attempt });
  // Thousands that have ended, by copies of one.
  const copy = (table: string, changes: object) =>
    raw(
      `insert into ${table} select (jsonb_populate_record(t, $1::jsonb
         || jsonb_build_object('id', 'ended' || i, 'token', 'ended' || i))).*
       from ${table} t, generate_series(1, 5000) i where t.user_id = $2`,
      [JSON.stringify(changes), userId],
    );
  await copy('runs', {});
  await copy('connection_flows', { ended_at: '2026-01-01T00:00:00Z' });
  await raw(
    `insert into flow_waiters (flow_id, run_id, user_id, app, reason, state)
     select $1, 'ended' || i, $2, 'slack', 'missing', 'woken' from generate_series(1, 5000) i`,
    [attempt.flowId, userId],
  );
  await raw(
    `insert into notices (id, user_id, type, dedupe_key, data)
     select 'ended' || i, $1, 'run.completed', 'ended' || i, '{}' from generate_series(1, 5000) i`,
    [userId],
  );
  await raw(`insert into deliveries (id, notice_id, user_id, channel, status)
    select id, id, user_id, 'webhook', 'delivered' from notices where id like 'ended%'`);
  await raw('analyze');
  for (const sweep of SWEEPS) {
    await tellReads(db);
    const before = await reads();
    expect(await asSystem(db, sweep)).toEqual([]);
    await tellReads(db);
    const after = await reads();
    const readMore = Object.keys(after).filter((name) => after[name] !== before[name]);
    expect(readMore, sweep.toString()).toEqual([expect.toBeOneOf(INDEXES)]);
  }
  await db.destroy();
});
