/**
 * A real PgBouncer in transaction mode before a test's database, where the machine has one (Debian: `apt-get install pgbouncer`).
 * Its few server connections are shared by all clients, transaction by transaction.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { findFreePort } from '../../sandbox/free-port.ts';
import { resolvePostgresAccount } from '../../sandbox/postgres/account.ts';
import { makeTemporaryFolder } from '../../sandbox/temporary-folder.ts';
import { until } from './until.ts';

export type PgBouncer = {
  /** As the given one, through the pooler. */
  readonly url: string;
  /** Rows of one of its SHOW commands. */
  readonly show: (what: 'servers' | 'pools' | 'clients') => Promise<readonly Record<string, unknown>[]>;
  readonly close: () => Promise<void>;
};

/** Debian's place is not on everybody's PATH. */
const PLACES = ['pgbouncer', '/usr/sbin/pgbouncer', '/usr/local/bin/pgbouncer'];
/** Of its own admin console; it exists only there. */
const ADMIN = 'bouncer_admin';

/** The program, or null where there is none. */
export function findPgBouncer(): string | null {
  return PLACES.find((place) => spawnSync(place, ['--version']).status === 0) ?? null;
}

export async function startPgBouncer(
  program: string,
  databaseUrl: string,
  { poolSize }: { poolSize: number },
): Promise<PgBouncer> {
  const target = new URL(databaseUrl);
  const port = await findFreePort();
  const folder = await makeTemporaryFolder('pgbouncer');
  const file = join(folder, 'pgbouncer.ini');
  writeFileSync(
    file,
    `[databases]
* = host=${target.hostname} port=${target.port} user=${target.username} password=${decodeURIComponent(target.password)}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
admin_users = ${ADMIN}
pool_mode = transaction
default_pool_size = ${poolSize}
ignore_startup_parameters = statement_timeout, idle_in_transaction_session_timeout
`,
  );
  // It refuses to run as root, as PostgreSQL does.
  const { uid, gid } = resolvePostgresAccount();
  if (uid !== undefined && gid !== undefined) for (const path of [folder, file]) chownSync(path, uid, gid);
  const account = uid === undefined || gid === undefined ? {} : { uid, gid };
  const child = spawn(program, ['-q', file], { stdio: ['ignore', 'ignore', 'pipe'], ...account });
  const said: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${port}`;
  try {
    await until('PgBouncer ready', () => isReady(child, url.href), 60_000);
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(`PgBouncer does not start: ${said.join('')}`, { cause: error });
  }
  return {
    url: url.href,
    show: (what) => showRows(port, what),
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

async function isReady(child: ChildProcess, connectionString: string): Promise<boolean> {
  if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
  const client = new pg.Client({ connectionString });
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function showRows(port: number, what: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: ADMIN, database: 'pgbouncer' });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(`show ${what}`)).rows;
  } finally {
    await client.end();
  }
}
