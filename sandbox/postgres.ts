/**
 * A real PostgreSQL 18 of our own on 127.0.0.1, for `npm start`, the demo and the tests. It may not be used in
 * production. Its owner role `bellhop` is no superuser, because a superuser ignores row-level security.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Client } from 'pg';
import { startDaemon, stopLeftover, waitForDaemon } from './daemon.ts';
import { findFreePort } from './free-port.ts';
import { readTail, rotateLog } from './log-file.ts';
import { PID_FILE, makeTemporaryFolder } from './temporary-folder.ts';
import { resolvePostgresAccount } from './postgres/account.ts';
import { resolvePostgresBinaries } from './postgres/binaries.ts';
import { ensureCluster, nameClusterDir, releaseClusterLock } from './postgres/cluster.ts';

export type PostgresOptions = {
  /** Where the data lives and stays; or a fresh, fast, unsafe cluster for tests that is deleted at `stop`. */
  readonly place: { readonly dataDir: string } | { readonly temporary: true };
  /** Taken when it is free. */
  readonly port?: number;
  /** One line for a person, now and then. */
  readonly log: (line: string) => void;
  /** Aborts the wait for readiness; what was started is stopped again. */
  readonly signal?: AbortSignal;
  /** How long it may take to stop before it is killed. */
  readonly stopGraceMs?: number;
};

export type RunningPostgres = {
  /** Connects as `bellhop`, the owner of database `bellhop`. */
  readonly url: string;
  readonly superuserUrl: string;
  readonly port: number;
  readonly pid: number;
  readonly logFile: string;
  /** The last lines of its log. */
  readonly tail: () => string[];
  /** Resolves when the server is gone, asked or not. */
  readonly exited: Promise<unknown>;
  readonly stop: () => Promise<void>;
};

/** Enough for the reason of a failed start. */
const TAIL_LINES = 5;

type Passwords = { readonly superuser: string; readonly owner: string };

/** First start of a cluster with recovery after a crash was seen to take under 2 s; a slow disk gets twenty times that. */
const READY_TIMEOUT_MS = 40_000;
/** Fast shutdown writes a checkpoint: well under a second here. The whole stop of `npm start` has 10 s. */
const STOP_GRACE_MS = 4_000;

type Release = () => Promise<void> | void;

/** Starts the server and makes sure of role and database. Throws one clear line, with the end of the log, when it cannot. */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const releases: Release[] = [];
  const stop = async () => {
    for (const release of releases.splice(0).reverse()) await release();
  };
  try {
    return { ...(await launch(options, releases)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function launch(options: PostgresOptions, releases: Release[]): Promise<Omit<RunningPostgres, 'stop'>> {
  const isTemporary = 'temporary' in options.place;
  const home =
    'temporary' in options.place ? await makeTemporaryFolder('pg') : resolve(options.place.dataDir);
  if (isTemporary) releases.push(() => rmSync(home, { recursive: true, force: true }));
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const pidFile = join(home, PID_FILE);
  const clusterDir = join(home, 'cluster');
  const logFile = join(home, 'postgres.log');
  const account = resolvePostgresAccount();
  const binaries = await resolvePostgresBinaries(account);
  const { copy } = binaries;
  if (copy !== null) releases.push(() => rmSync(copy, { recursive: true, force: true }));
  const passwords = readOrMakePasswords(join(home, 'passwords.json'));

  const hadLeftover = await stopLeftover('PostgreSQL', pidFile, 'SIGINT');
  await ensureCluster(clusterDir, {
    initdb: binaries.initdb,
    account,
    password: passwords.superuser,
    isDurable: !isTemporary,
  });
  if ((await releaseClusterLock(clusterDir)) || hadLeftover)
    options.log('stopped the PostgreSQL of an earlier run');

  const port = await findFreePort(options.port);
  const logStart = rotateLog(logFile);
  const daemon = await startDaemon({
    command: binaries.postgres,
    args: ['-D', nameClusterDir(clusterDir, account), '-p', String(port), ...serverSettings(isTemporary)],
    uid: account.uid,
    gid: account.gid,
    cwd: clusterDir,
    logFile,
    pidFile,
    stopSignal: 'SIGINT', // "fast": ends sessions, rolls back, writes a checkpoint; SIGTERM would wait for clients
  });
  releases.push(() => daemon.stop(options.stopGraceMs ?? STOP_GRACE_MS));
  const superuserUrl = `postgres://postgres:${passwords.superuser}@127.0.0.1:${port}/postgres`;
  const tail = () => readTail(logFile, TAIL_LINES, logStart);
  const client = await waitForDaemon(daemon, {
    name: 'PostgreSQL',
    probe: () => tryConnect(superuserUrl),
    tail,
    timeoutMs: READY_TIMEOUT_MS,
    signal: options.signal,
  });
  await prepareOwner(client, passwords.owner);
  const url = `postgres://bellhop:${passwords.owner}@127.0.0.1:${port}/bellhop`;
  return { url, superuserUrl, port, pid: daemon.pid, logFile, tail, exited: daemon.exited };
}

function serverSettings(isTemporary: boolean): string[] {
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '', // a path in a deep data directory would exceed the 107 bytes of a socket's name
    max_connections: isTemporary ? '300' : '100', // many test files hold a pool each
    log_timezone: 'UTC',
    timezone: 'UTC',
    // Only what a test run throws away anyway may go without its durability.
    ...(isTemporary
      ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', autovacuum: 'off' }
      : {}),
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

async function tryConnect(url: string): Promise<Client | null> {
  // It answers in milliseconds once it listens; while it recovers it refuses at once.
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined); // reported by the query that fails
  try {
    await client.connect();
    return client;
  } catch {
    await client.end().catch(() => undefined);
    return null;
  }
}

/** Idempotent, so that a crash between the statements is repaired by the next start. */
async function prepareOwner(client: Client, password: string): Promise<void> {
  try {
    const role = await client.query(`select 1 from pg_roles where rolname = 'bellhop'`);
    const verb = role.rowCount === 0 ? 'create' : 'alter';
    const literal = client.escapeLiteral(password);
    await client.query(
      `${verb} role bellhop with login nosuperuser createrole createdb nobypassrls noreplication password ${literal}`,
    );
    const database = await client.query(`select 1 from pg_database where datname = 'bellhop'`);
    if (database.rowCount === 0) await client.query('create database bellhop owner bellhop');
  } finally {
    await client.end();
  }
}

function readOrMakePasswords(file: string): Passwords {
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Passwords;
  const passwords: Passwords = {
    superuser: randomBytes(24).toString('base64url'),
    owner: randomBytes(24).toString('base64url'),
  };
  writeFileSync(file, JSON.stringify(passwords), { mode: 0o600 });
  return passwords;
}
