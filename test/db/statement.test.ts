/** Transactions of one statement, which are one train of messages. */
import type pg from 'pg';
import { describe, expect, test } from 'vitest';
import { asSystem, forUserOnce } from '../../db/scope.ts';
import type { Statement } from '../../db/statement.ts';
import { Trip } from '../../db/trip.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();

const rowsOf = (text: string, values: readonly unknown[] = []): Statement<readonly unknown[]> => ({
  text,
  values,
  read: (rows) => rows,
});

describe('a transaction of one statement', () => {
  test('sees the rows of its user only, and leaves no role behind', async () => {
    const [mine, other] = [await the().newUser(), await the().newUser()];
    await the().newRun(other);
    const run = await the().newRun(mine);
    expect(await forUserOnce(the().db, mine, rowsOf('select id from runs'))).toEqual([{ id: run.id }]);
    const { rows } = await the().db.pool.query('select current_user as name, session_user as login');
    expect(rows[0].name).toBe(rows[0].login);
  });

  test('refuses an id that names nobody, and sends nothing', async () => {
    await expect(forUserOnce(the().db, "x'; drop table runs; --", rowsOf('select 1'))).rejects.toThrow(
      RangeError,
    );
    await expect(forUserOnce(the().db, '', rowsOf('select 1'))).rejects.toThrow(RangeError);
  });

  test('changes nothing when its statement fails, tells that error, and gives a usable connection back', async () => {
    const userId = await the().newUser();
    const broken = rowsOf(
      'with u as (update users set email = $1 returning 1) select 1 / (count(*) - count(*)) from u',
      ['x'],
    );
    await expect(forUserOnce(the().db, userId, broken)).rejects.toThrow('division by zero');
    expect(await forUserOnce(the().db, userId, rowsOf('select email from users'))).toEqual([{ email: null }]);
    expect(the().db.pool.waitingCount).toBe(0);
    expect(the().db.pool.idleCount).toBe(the().db.pool.totalCount);
  });

  test('is not let through without its role when the role cannot be taken', async () => {
    const { pool } = the().db;
    const client = await pool.connect();
    const ran = Promise.withResolvers<unknown>();
    const trip = new Trip(
      [{ name: '', text: "select set_config('role', 'no_such_role', true)", values: [] }],
      { text: 'create table without_its_role ()' },
      { keeps: false, done: (error) => ran.resolve(error) },
    );
    client.query(trip as unknown as pg.Submittable);
    // invalid_parameter_value
    expect(await ran.promise).toMatchObject({ code: '22023' });
    const { rows } = await client.query("select to_regclass('without_its_role') as made");
    client.release();
    expect(rows).toEqual([{ made: null }]);
  });

  test('is refused when only its commit fails, and has changed nothing', async () => {
    const userId = await the().newUser();
    const { pool } = the().db;
    await pool.query('create table checked_late (n integer unique deferrable initially deferred)');
    await pool.query('grant select, insert on checked_late to bellhop_user');
    const twice = rowsOf('insert into checked_late select 1 from generate_series(1, 2) returning n');
    await expect(forUserOnce(the().db, userId, twice)).rejects.toMatchObject({ code: '23505' });
    const { rows } = await pool.query('select n from checked_late');
    await pool.query('drop table checked_late');
    expect(rows).toEqual([]);
    expect(await forUserOnce(the().db, userId, rowsOf('select 1 as one'))).toEqual([{ one: 1 }]);
  });

  test('rejects, and does not end the process, when the connection is lost while it runs', async () => {
    const userId = await the().newUser();
    const sleeping = forUserOnce(
      the().db,
      userId,
      rowsOf('select pg_sleep(20), $1::text', ['lost-statement']),
    );
    const lost = expect(sleeping).rejects.toThrow(/terminat/i);
    await expect
      .poll(async () => {
        const killed = await the().db.pool.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where state = 'active' and query like 'select pg_sleep(20)%' and datname = current_database()`,
        );
        return killed.rowCount;
      })
      .toBe(1);
    await lost;
    expect(await forUserOnce(the().db, userId, rowsOf('select 1 as one'))).toEqual([{ one: 1 }]);
    expect(await asSystem(the().db, async () => 'well')).toBe('well');
  });
});
