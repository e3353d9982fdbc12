/**
 * Makes a PostgreSQL cluster on disk, and clears a lock file that nobody holds. It starts no server.
 * A cluster appears under its final name only when it is whole, so that a crash in the middle costs nothing but time.
 */
import { spawn } from 'node:child_process';
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { stopProcess } from '../daemon.ts';
import { commandLineOf, identifyProcess, workingDirectoryOf } from '../process-identity.ts';
import type { Account } from './account.ts';
import { StartError } from '../start-error.ts';

/**
 * How the directory is named to PostgreSQL. As root on Linux it is the working directory: root may enter it where the
 * account that PostgreSQL runs as cannot pass the folders above (/root, `mktemp -d`), and this name passes none of them.
 */
export function nameClusterDir(clusterDir: string, account: Account): string {
  return account.uid !== undefined && process.platform === 'linux' ? '/proc/self/cwd' : clusterDir;
}

/** Creates the cluster unless it is there. The superuser is `postgres`; text is UTF-8 and sorts by code point, everywhere alike. */
export async function ensureCluster(
  clusterDir: string,
  options: { initdb: string; account: Account; password: string; isDurable: boolean },
): Promise<void> {
  if (existsSync(join(clusterDir, 'PG_VERSION'))) return;
  const { uid, gid } = options.account;
  const making = `${clusterDir}.new`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { recursive: true, mode: 0o700 });
  const passwordFile = `${clusterDir}.password`;
  writeFileSync(passwordFile, `${options.password}\n`, { mode: 0o600 });
  if (uid !== undefined && gid !== undefined) {
    chownSync(making, uid, gid);
    chownSync(passwordFile, uid, gid);
  }
  const password = openSync(passwordFile, 'r');
  try {
    await runInitdb(options.initdb, {
      args: [
        `--pgdata=${nameClusterDir(making, options.account)}`,
        '--username=postgres',
        '--auth=scram-sha-256',
        `--pwfile=${process.platform === 'linux' ? '/proc/self/fd/3' : passwordFile}`, // see nameClusterDir
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        ...(options.isDurable ? [] : ['--no-sync']),
      ],
      account: options.account,
      cwd: making,
      password,
    });
  } finally {
    closeSync(password);
    rmSync(passwordFile, { force: true });
  }
  renameSync(making, clusterDir);
}

async function runInitdb(
  initdb: string,
  { args, account, cwd, password }: { args: string[]; account: Account; cwd: string; password: number },
): Promise<void> {
  const { uid, gid } = account;
  const child = spawn(initdb, args, {
    cwd,
    detached: true, // as the server itself: Ctrl-C is ours to act on
    stdio: ['ignore', 'ignore', 'pipe', password],
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  });
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString('utf8')));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new StartError(`initdb failed: ${errors.trim()}`);
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
