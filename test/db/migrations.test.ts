/** Migrations: several at once, on one database and on several of one cluster, by an owner who is no superuser. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MIGRATIONS, migrateToLatest } from '../../db/migrator.ts';
import { ROLES } from '../../db/roles.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';

const NAMES = Object.keys(MIGRATIONS);
let cluster: TestDatabase;
let superuser: pg.Client;
const made: { databases: string[]; owners: string[] } = { databases: [], owners: [] };

beforeAll(async () => {
  cluster = await createTestDatabase();
  superuser = new pg.Client({ connectionString: cluster.superuserUrl });
  await superuser.connect();
});
afterAll(async () => {
  for (const name of made.databases) await superuser.query(`drop database if exists ${name} with (force)`);
  for (const name of made.owners) await superuser.query(`drop role if exists ${name}`);
  await superuser.end();
  await cluster.drop();
});

const withDatabase = (url: string, name: string): string =>
  Object.assign(new URL(url), { pathname: `/${name}` }).href;
/** An empty database of the cluster, owned by the role that the tests run as. */
async function emptyDatabase(owner = 'bellhop'): Promise<string> {
  const name = `test_migrations_${randomUUID().replaceAll('-', '')}`;
  await superuser.query(`create database ${name} owner ${owner}`);
  made.databases.push(name);
  return withDatabase(cluster.url, name);
}
async function tablesOf(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ n: number }>(
    `select count(*)::int as n from pg_tables where schemaname = 'public' and tablename not like 'kysely%'`,
  );
  await client.end();
  return rows[0]?.n ?? 0;
}

describe('migrations', () => {
  test('that start four times at once on one database run once, and none fails', async () => {
    const url = await emptyDatabase();
    const done = await Promise.all([1, 2, 3, 4].map(() => migrateToLatest(url)));
    expect(done.flat()).toEqual(NAMES);
    expect(await tablesOf(url)).toBeGreaterThan(10);
    expect(await migrateToLatest(url)).toEqual([]);
  });

  test('that start at once on three databases of one cluster all run', async () => {
    const urls = await Promise.all([1, 2, 3].map(() => emptyDatabase()));
    const done = await Promise.all(urls.flatMap((url) => [migrateToLatest(url), migrateToLatest(url)]));
    expect(done.flat()).toEqual([...NAMES, ...NAMES, ...NAMES]);
    const counts = await Promise.all(urls.map(tablesOf));
    expect(new Set(counts).size).toBe(1);
  });

  test('leave roles that cannot log in and cannot go around policies', async () => {
    const { rows } = await superuser.query(
      'select rolname, rolcanlogin, rolbypassrls, rolsuper from pg_roles where rolname = any($1) order by 1',
      [ROLES],
    );
    expect(rows).toEqual(
      [...ROLES]
        .sort()
        .map((rolname) => ({ rolname, rolcanlogin: false, rolbypassrls: false, rolsuper: false })),
    );
  });

  test('by a user that may neither make nor use the roles fail with the words that an administrator needs', async () => {
    const owner = `owner_${randomUUID().replaceAll('-', '')}`;
    await superuser.query(`create role ${owner} login password 'x' nocreaterole`);
    made.owners.push(owner);
    const url = new URL(await emptyDatabase(owner));
    url.username = owner;
    url.password = 'x';
    await expect(migrateToLatest(url.href)).rejects.toThrow(
      /create role bellhop_user.*grant bellhop_user, bellhop_system/,
    );
    expect(await tablesOf(url.href)).toBe(0);
  });
});
