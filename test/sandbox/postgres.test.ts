import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { InUseError } from '../../sandbox/daemon.ts';
import { startPostgres } from '../../sandbox/postgres.ts';
import { identifyProcess } from '../../sandbox/process-identity.ts';
import { createTestDatabase } from '../setup/database.ts';
import { runFixture } from './fixtures/run.ts';

let dataDir: string;
const said: string[] = [];
const start = (port?: number) =>
  startPostgres({
    place: { dataDir },
    log: (line) => said.push(line),
    ...(port === undefined ? {} : { port }),
  });

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'bellhop-test-pg-'));
  said.length = 0;
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

async function query<Row>(url: string, sql: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as Row[];
  } finally {
    await client.end();
  }
}

const ROLE =
  'select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles where rolname = current_user';

test('gives tests an owner that is no superuser and does not bypass row-level security', async () => {
  const database = await createTestDatabase();
  expect(await query(database.url, ROLE)).toEqual([
    { rolsuper: false, rolbypassrls: false, rolcreaterole: true, rolcreatedb: true },
  ]);
  expect(await query(database.superuserUrl, "select current_setting('is_superuser') as su")).toEqual([
    { su: 'on' },
  ]);
  await database.drop();
  await expect(query(database.url, 'select 1')).rejects.toThrow(/does not exist/);
});

test('gives each caller a database of its own with every migration in it', async () => {
  const [one, two] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  expect(one.url).not.toBe(two.url);
  await query(one.url, 'create table only_here (a int)');
  const tables = (url: string) =>
    query<{ name: string }>(url, `select tablename as name from pg_tables where schemaname = 'public'`);
  const namesOfTwo = (await tables(two.url)).map((row) => row.name);
  expect(namesOfTwo).toContain('runs');
  expect(namesOfTwo).not.toContain('only_here');
  await Promise.all([one.drop(), two.drop()]);
});

test('keeps rows, passwords and the wished port over a restart, durably and readable by nobody else', async () => {
  const first = await start();
  await query(first.url, 'create table kept (word text)');
  await query(first.url, `insert into kept values ('b'), ('A'), ('a'), ('ä'), ('B')`);
  expect(await query(first.url, ROLE)).toEqual([
    { rolsuper: false, rolbypassrls: false, rolcreaterole: true, rolcreatedb: true },
  ]);
  expect(await query(first.url, 'show fsync')).toEqual([{ fsync: 'on' }]);
  await first.stop();
  expect(identifyProcess(first.pid)).toBeNull();

  const second = await start(first.port);
  expect(second.url).toBe(first.url);
  const rows = await query<{ word: string }>(second.url, 'select word from kept order by word');
  expect(rows.map((row) => row.word)).toEqual(['A', 'B', 'a', 'b', 'ä']);
  await second.stop();
  expect(statSync(join(dataDir, 'passwords.json')).mode & 0o777).toBe(0o600);
  expect(said).toEqual([]);
});

test('listens on the loopback address only, and refuses a wrong password', async () => {
  const server = await start();
  expect(await query(server.superuserUrl, 'show listen_addresses')).toEqual([
    { listen_addresses: '127.0.0.1' },
  ]);
  await expect(query(server.url.replace(/:[^:@]+@/, ':wrong@'), 'select 1')).rejects.toThrow(
    /password authentication/,
  );
  await server.stop();
});

test('stops the server that a killed run left behind and says so', async () => {
  const { child, exited, said: fixture } = await runFixture('start-postgres.ts', [dataDir]);
  child.kill('SIGKILL');
  await exited;
  expect(identifyProcess(fixture.pid)).not.toBeNull();

  const server = await start();
  expect(identifyProcess(fixture.pid)).toBeNull();
  expect(said).toEqual(['stopped the PostgreSQL of an earlier run']);
  expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  await server.stop();
});

test('finds the left server by its own lock when our note of it is lost', async () => {
  const { child, exited, said: fixture } = await runFixture('start-postgres.ts', [dataDir]);
  child.kill('SIGKILL');
  await exited;
  rmSync(join(dataDir, 'process.json'));

  const server = await start();
  expect(identifyProcess(fixture.pid)).toBeNull();
  await server.stop();
});

test('does not touch the server of a run that is alive', async () => {
  const server = await start();
  await expect(start()).rejects.toBeInstanceOf(InUseError);
  expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  await server.stop();
});

test('starts over a lock that names a living stranger, and does not signal the stranger', async () => {
  await (await start()).stop();
  const signals: string[] = [];
  const note = () => signals.push('SIGINT');
  process.on('SIGINT', note);
  writeFileSync(join(dataDir, 'cluster', 'postmaster.pid'), `${process.pid}\n${join(dataDir, 'cluster')}\n`);
  const server = await start();
  await server.stop();
  process.off('SIGINT', note);
  expect(signals).toEqual([]);
});

test('makes the cluster anew when an earlier start died while making it', async () => {
  mkdirSync(join(dataDir, 'cluster.new', 'base'), { recursive: true });
  const server = await start();
  expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  await server.stop();
});

test('says why it cannot start, with the end of its log', async () => {
  await (await start()).stop();
  rmSync(join(dataDir, 'cluster', 'global'), { recursive: true });
  await expect(start()).rejects.toThrow(/PostgreSQL ended while starting\n.*(global|pg_control)/s);
});
