/**
 * Makes a PostgreSQL cluster on disk, and clears a lock file that nobody holds. It starts no server.
 * A cluster appears under its final name only when it is whole, so that a crash in the middle costs nothing but time.
 */
import { execFile } from 'node:child_process';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stopProcess } from '../daemon.ts';
import { commandLineOf, identifyProcess, workingDirectoryOf } from '../process-identity.ts';
import type { Account } from './account.ts';

const run = promisify(execFile);

/** Creates the cluster unless it is there. The superuser is `postgres`; text is UTF-8 and sorts by code point, everywhere alike. */
export async function ensureCluster(
  clusterDir: string,
  options: { initdb: string; account: Account; password: string; durable: boolean },
): Promise<void> {
  if (existsSync(join(clusterDir, 'PG_VERSION'))) return;
  const { uid, gid } = options.account;
  const making = `${clusterDir}.new`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { recursive: true, mode: 0o700 });
  const passwordFile = join(making, '..', 'initdb-password');
  writeFileSync(passwordFile, `${options.password}\n`, { mode: 0o600 });
  if (uid !== undefined && gid !== undefined) {
    chownSync(making, uid, gid);
    chownSync(passwordFile, uid, gid);
  }
  try {
    await run(
      options.initdb,
      [
        `--pgdata=${making}`,
        '--username=postgres',
        '--auth=scram-sha-256',
        `--pwfile=${passwordFile}`,
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        ...(options.durable ? [] : ['--no-sync']),
      ],
      { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }), cwd: making },
    );
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(making, clusterDir);
}

/**
 * Deals with `postmaster.pid`: a postgres that still runs on this directory is stopped, and a lock that no postgres
 * holds is removed — with pids reused (a restarted container), PostgreSQL itself would refuse to start over it.
 */
export async function releaseClusterLock(clusterDir: string): Promise<boolean> {
  const lockFile = join(clusterDir, 'postmaster.pid');
  if (!existsSync(lockFile)) return false;
  const pid = Number(readFileSync(lockFile, 'utf8').split('\n')[0]);
  const identity = identifyProcess(pid);
  const isHolder = identity !== null && servesCluster(pid, clusterDir);
  if (isHolder) await stopProcess(pid, identity, 'SIGINT');
  rmSync(lockFile, { force: true });
  return isHolder;
}

function servesCluster(pid: number, clusterDir: string): boolean {
  const command = commandLineOf(pid);
  if (command === null || !command.includes('postgres')) return false;
  const workingDirectory = workingDirectoryOf(pid);
  return workingDirectory === null
    ? command.includes(clusterDir)
    : workingDirectory === realpathSync(clusterDir);
}
