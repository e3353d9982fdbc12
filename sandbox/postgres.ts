/**
 * A real PostgreSQL 18 of our own on 127.0.0.1, for `npm start`, the demo and the tests. It may not be used in
 * production. Its owner role `bellhop` is no superuser, because a superuser ignores row-level security.
 */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import type { Daemon } from './daemon.ts';
import { startDaemon, stopLeftover } from './daemon.ts';
import { findFreePort } from './free-port.ts';
import { readTail } from './log-tail.ts';
import { resolvePostgresAccount } from './postgres/account.ts';
import { resolvePostgresBinaries } from './postgres/binaries.ts';
import { ensureCluster, releaseClusterLock } from './postgres/cluster.ts';

export type PostgresOptions = {
  /** Where the data lives and stays; or a fresh, fast, unsafe cluster for tests that is deleted at `stop`. */
  readonly place: { readonly dataDir: string } | { readonly temporary: true };
  /** Taken when it is free. */
  readonly port?: number;
  /** One line for a person, now and then. */
  readonly log: (line: string) => void;
};

export type RunningPostgres = {
  /** Connects as `bellhop`, the owner of database `bellhop`. */
  readonly url: string;
  readonly superuserUrl: string;
  readonly port: number;
  readonly logFile: string;
  /** Resolves when the server is gone, asked or not. */
  readonly exited: Promise<unknown>;
  readonly stop: () => Promise<void>;
};

type Passwords = { readonly superuser: string; readonly owner: string };

/** First start of a cluster with recovery after a crash was seen to take under 2 s; a slow disk gets twenty times that. */
const READY_TIMEOUT_MS = 40_000;
/** Fast shutdown writes a checkpoint: well under a second here. The whole stop of `npm start` has 10 s. */
const STOP_GRACE_MS = 4_000;

/** Starts the server and makes sure of role and database. Throws one clear line, with the end of the log, when it cannot. */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const isTemporary = 'temporary' in options.place;
  const home =
    'temporary' in options.place
      ? mkdtempSync(join(tmpdir(), 'bellhop-pg-'))
      : resolve(options.place.dataDir);
  mkdirSync(home, { recursive: true });
  chmodSync(home, 0o711); // the account that PostgreSQL runs as passes through; what is secret in it is 600
  const pidFile = join(home, 'process.json');
  const clusterDir = join(home, 'cluster');
  const logFile = join(home, 'postgres.log');
  if (await stopLeftover('PostgreSQL', pidFile, 'SIGINT'))
    options.log('stopped the PostgreSQL of an earlier run');
  const account = resolvePostgresAccount();
  const binaries = resolvePostgresBinaries();
  const passwords = readOrMakePasswords(join(home, 'passwords.json'));
  await ensureCluster(clusterDir, {
    initdb: binaries.initdb,
    account,
    password: passwords.superuser,
    durable: !isTemporary,
  });
  if (await releaseClusterLock(clusterDir)) options.log('stopped the PostgreSQL of an earlier run');
  const port = await findFreePort(options.port);
  const logStart = existsSync(logFile) ? statSync(logFile).size : 0;
  const daemon = await startDaemon({
    name: 'PostgreSQL',
    command: binaries.postgres,
    args: ['-D', clusterDir, '-p', String(port), ...serverSettings(isTemporary)],
    uid: account.uid,
    gid: account.gid,
    cwd: clusterDir,
    logFile,
    pidFile,
    stopSignal: 'SIGINT', // "fast": ends sessions, rolls back, writes a checkpoint; SIGTERM would wait for clients
  });
  const superuserUrl = `postgres://postgres:${passwords.superuser}@127.0.0.1:${port}/postgres`;
  const stop = async () => {
    await daemon.stop(STOP_GRACE_MS);
    if (isTemporary) rmSync(home, { recursive: true, force: true });
  };
  try {
    await prepareOwner(await connectWhenReady(superuserUrl, daemon, { logFile, logStart }), passwords.owner);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: `postgres://bellhop:${passwords.owner}@127.0.0.1:${port}/bellhop`,
    superuserUrl,
    port,
    logFile,
    exited: daemon.exited,
    stop,
  };
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

async function connectWhenReady(
  url: string,
  daemon: Daemon,
  log: { logFile: string; logStart: number },
): Promise<Client> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
    client.on('error', () => undefined); // reported by the query that fails
    try {
      await client.connect();
      return client;
    } catch (cause) {
      await client.end().catch(() => undefined);
      const tail = () => readTail(log.logFile, 5, log.logStart).join('\n');
      if (daemon.hasExited()) throw new Error(`PostgreSQL ended while starting:\n${tail()}`, { cause });
      if (Date.now() > deadline)
        throw new Error(`PostgreSQL is not ready after ${READY_TIMEOUT_MS / 1_000} s:\n${tail()}`, { cause });
      await delay(30);
    }
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
