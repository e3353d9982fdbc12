/** What operators watch of the rows: right, counted once for all processes, and never by reading what has ended. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from 'kysely';
import { COUNT, readGauges } from '../../db/gauges.ts';
import { createDatabase, type Database } from '../../db/pool.ts';
import { asSystem, forUser } from '../../db/scope.ts';
import { putUser } from '../../db/users.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';

let database: TestDatabase;
let db: Database;
let other: Database;
beforeAll(async () => {
  database = await createTestDatabase();
  db = createDatabase({ url: database.url, name: 'gauges' });
  other = createDatabase({ url: database.url, name: 'gauges-other' });
  await forUser(db, 'u', (tx) => putUser(tx, 'u', {}));
});
afterAll(async () => {
  await db.destroy();
  await other.destroy();
  await database.drop();
});

const asRows = (statement: string) => asSystem(db, (tx) => sql.raw(statement).execute(tx));
/** `count` runs of one user in a status, each in a thread of its own. */
async function addRuns(name: string, count: number, status: string, isEnded: boolean): Promise<void> {
  await asRows(
    `insert into threads (user_id, id) select 'u', '${name}' || i from generate_series(1, ${count}) i`,
  );
  await asRows(`insert into runs (id, user_id, thread_id, status, task, tools, on_missing_connection, connect_timeout_ms,
      approvals, on_unknown_outcome, limits, finished_at)
    select '${name}' || i, 'u', '${name}' || i, '${status}', 't', '{}', 'wait', 1, '{}', 'continue', '{}',
      ${isEnded ? 'now()' : 'null'} from generate_series(1, ${count}) i`);
}

describe('readGauges', () => {
  it('counts what is open and nothing that has ended', async () => {
    await addRuns('w', 3, 'waiting_for_connection', false);
    await addRuns('r', 2, 'running', false);
    await addRuns('e', 50, 'completed', true);
    await asRows(`insert into connection_flows (id, user_id, app, app_name, token, expires_at)
      values ('f', 'u', 'slack', 'Slack', 't', now() + interval '1 day')`);
    await asRows(`insert into flow_waiters (flow_id, run_id, user_id, app, reason, state, created_at) values
      ('f', 'w1', 'u', 'slack', 'missing', 'waiting', now() - interval '1 hour'),
      ('f', 'w2', 'u', 'slack', 'missing', 'waiting', now()), ('f', 'e1', 'u', 'slack', 'missing', 'woken', now())`);
    const call = (run: string, id: string, resolution: string) =>
      `('${run}', '${id}', 'u', 1, 0, 'T', true, '{}', 'unknown', ${resolution})`;
    await asRows(`insert into tool_calls (run_id, id, user_id, turn, position, tool, is_write, arguments, status, resolution)
      values ${call('r1', 'a', 'null')}, ${call('r1', 'b', "'done'")}, ${call('e1', 'c', 'null')}`);
    const { gauges, ageSeconds } = (await readGauges(db)) ?? expect.unreachable();
    expect(ageSeconds).toBe(0);
    expect(gauges).toMatchObject({
      runs: { waiting_for_connection: 3, running: 2 },
      queued: 0,
      waiting: { slack: { runs: 2 } },
      flows: { slack: 1 },
      unknownCalls: 1,
      deliveries: {},
      webhookEvents: 0,
      audit: null,
      auditCompletedAt: null,
    });
    expect(gauges.waiting['slack']?.longestSeconds).toBeGreaterThanOrEqual(3_600);
  });

  it('answers the same from another process until the figures are old, and then anew', async () => {
    await addRuns('n', 1, 'running', false);
    const known = await readGauges(other, 60_000);
    expect(known?.gauges.runs).toEqual({ waiting_for_connection: 3, running: 2 });
    // What took long to count is kept for longer, so this asks without that.
    await asRows('update gauge_snapshots set took_ms = 0');
    expect((await readGauges(other, 0))?.gauges.runs).toEqual({ waiting_for_connection: 3, running: 3 });
    expect((await readGauges(db, 60_000))?.gauges.runs).toEqual({ waiting_for_connection: 3, running: 3 });
  });

  it('counts once when many ask at the same moment', async () => {
    await asRows('update gauge_snapshots set took_ms = 0');
    const read = await Promise.all([db, other, db, other].map((from) => readGauges(from, 0)));
    expect(read.filter((snapshot) => snapshot?.gauges.runs['running'] !== 3)).toEqual([]);
  });

  it('is not counted again for twenty times as long as it took', async () => {
    await asRows('update gauge_snapshots set took_ms = 3600000, data = data || \'{"queued": 77}\'');
    expect((await readGauges(db, 0))?.gauges.queued).toBe(77);
  });

  it('reads no run, waiter, call or delivery but through an index of open ones', async () => {
    await addRuns('many', 5_000, 'completed', true);
    await asSystem(db, async (tx) => sql`analyze runs`.execute(tx)).catch(() => undefined);
    const { rows } = await asSystem(db, async (tx) => {
      await sql`set local enable_seqscan = off`.execute(tx);
      return sql.raw<{ 'QUERY PLAN': string }>(`explain ${COUNT}`).execute(tx);
    });
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).not.toMatch(
      /Seq Scan on (runs|flow_waiters|tool_calls|deliveries|connection_flows|webhook_events|users)\b/,
    );
    for (const index of [
      'runs_open_by_status',
      'flow_waiters_waiting',
      'tool_calls_unknown',
      'deliveries_backlog',
    ])
      expect(plan).toContain(index);
  });
});
