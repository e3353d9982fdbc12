/** Statements that a connection has parsed once: whose rows they see, and what happens where a session does not keep them. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadCall } from '../../db/load-call.ts';
import { type Database, createDatabase } from '../../db/pool.ts';
import { asSystemOnce, forUserOnce } from '../../db/scope.ts';
import { type Statement, preparedName } from '../../db/statement.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();
let db: Database;
// One connection, so that each use meets the same session.
beforeEach(() => {
  db = createDatabase({ url: the().url, name: 'prepared', maxConnections: 1 });
});
afterEach(async () => {
  await db.destroy();
});

const prepared = <T>(
  text: string,
  values: readonly unknown[],
  read: (rows: readonly unknown[]) => T,
): Statement<T> => ({ isPrepared: true, text, values, read });
const RUNS = 'select id from runs where created_at < $1::timestamptz order by id';
const runsOf = prepared(RUNS, ['2999-01-01T00:00:00Z'], (rows) =>
  (rows as { id: string }[]).map(({ id }) => id),
);
const SETTINGS = prepared(
  "select current_setting('plan_cache_mode') as plans, current_setting('enable_seqscan') as scans",
  [],
  ([row]) => Object.values(row as object) as string[],
);
const namesKept = async (): Promise<string[]> =>
  (await db.pool.query('select name from pg_prepared_statements')).rows.map(({ name }) => String(name));

describe('a prepared statement', () => {
  test('sees the rows of whoever it is run for, however often another has run it on this connection', async () => {
    const users = [await the().newUser(), await the().newUser(), await the().newUser()];
    const runs = await Promise.all(users.map((userId) => the().newRun(userId)));
    // More rounds than PostgreSQL plans anew before it keeps one plan.
    for (let round = 0; round < 8; round += 1)
      for (const [at, userId] of users.entries())
        expect(await forUserOnce(db, userId, runsOf)).toEqual([runs[at]?.id]);
    const all = await asSystemOnce(db, runsOf);
    expect(runs.every(({ id }) => all.includes(id))).toBe(true);
    expect(await forUserOnce(db, users[0] ?? '', runsOf)).toEqual([runs[0]?.id]);
    // And how a transaction becomes a user's, or the system's.
    const kept = await namesKept();
    expect(kept).toContain(preparedName(RUNS));
    expect(kept).toHaveLength(3);
  });

  test('of a call is not found by another user, on a connection that has found it for its own', async () => {
    const [mine, other] = [await the().newUser(), await the().newUser()];
    const { runId, callId } = await the().newCall(mine);
    for (let round = 0; round < 8; round += 1) {
      expect((await forUserOnce(db, mine, loadCall({ runId, callId })))?.call.id).toBe(callId);
      expect(await forUserOnce(db, other, loadCall({ runId, callId }))).toBe(null);
    }
  });

  test('has plans that are kept and read no table whole; the settings for it end with its transaction', async () => {
    const userId = await the().newUser();
    expect(await forUserOnce(db, userId, SETTINGS)).toEqual(['force_generic_plan', 'off']);
    expect(await asSystemOnce(db, SETTINGS)).toEqual(['force_generic_plan', 'off']);
    const { isPrepared: _, ...unprepared } = SETTINGS;
    expect(await forUserOnce(db, userId, unprepared)).toEqual(['auto', 'on']);
  });

  test('is not kept where the pool was told of a pooler', async () => {
    const plain = createDatabase({ url: the().url, name: 'prepared', maxConnections: 1, prepares: false });
    const userId = await the().newUser();
    await forUserOnce(plain, userId, runsOf);
    expect(await forUserOnce(plain, userId, SETTINGS)).toEqual(['auto', 'on']);
    expect((await plain.pool.query('select 1 from pg_prepared_statements')).rowCount).toBe(0);
    await plain.destroy();
  });
});

describe('a session that is not the one that it was', () => {
  const touch = (userId: string) =>
    prepared(
      "update users set metadata = jsonb_build_object('n', coalesce((metadata->>'n')::int, 0) + 1) where user_id = $1 returning metadata",
      [userId],
      (rows) => (rows[0] as { metadata: { n: number } }).metadata.n,
    );

  test('and has lost its statements is noticed: the change is made once, and nothing is prepared from then on', async () => {
    const userId = await the().newUser();
    expect(await forUserOnce(db, userId, touch(userId))).toBe(1);
    await db.pool.query('deallocate all');
    expect(await forUserOnce(db, userId, touch(userId))).toBe(2);
    expect(db.prepares).toBe(false);
    expect(await forUserOnce(db, userId, touch(userId))).toBe(3);
    expect(await namesKept()).toEqual([]);
  });

  test('and has the statement of another connection is noticed likewise', async () => {
    const userId = await the().newUser();
    await db.pool.query(`prepare "${preparedName(touch(userId).text)}" as select 1`);
    expect(await forUserOnce(db, userId, touch(userId))).toBe(1);
    expect(db.prepares).toBe(false);
  });
});
