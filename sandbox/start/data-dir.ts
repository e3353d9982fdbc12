/**
 * The data directory of `npm start`: one run at a time, everything embedded below it, secrets readable by their owner
 * only. Nothing outside it is written.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { identifyProcess } from '../process-identity.ts';
import { StartError } from '../start-error.ts';

export type DataDir = {
  readonly path: string;
  readonly logs: string;
  readonly postgres: string;
  readonly temporal: string;
  readonly composio: string;
  /** Lets the next run in. */
  readonly release: () => void;
};

type Holder = { readonly pid: number; readonly identity: string | null };

/** Makes and locks it. Throws StartError when a live run holds it, or when it cannot be written. */
export function openDataDir(path: string): DataDir {
  const root = resolve(path);
  const lockFile = join(root, 'lock.json');
  const dirs = {
    logs: join(root, 'logs'),
    postgres: join(root, 'postgres'),
    temporal: join(root, 'temporal'),
    composio: join(root, 'composio'),
  };
  try {
    for (const dir of Object.values(dirs)) makeFolder(dir);
    lock(lockFile, root);
  } catch (cause) {
    if (cause instanceof StartError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StartError(`cannot use the data directory ${root}: ${reason}. BELLHOP_DATA_DIR names another`, {
      cause,
    });
  }
  return { path: root, ...dirs, release: () => rmSync(lockFile, { force: true }) };
}

/** Step by step: where a folder cannot be made at all (below /proc), Node's `recursive` tries for ever. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

/** The random text kept in `file`, made at first use; readable by its owner only. */
export function readOrMakeSecret(file: string): string {
  if (existsSync(file)) {
    const kept = readFileSync(file, 'utf8').trim();
    if (kept !== '') return kept;
  }
  const secret = `bh_${randomBytes(24).toString('base64url')}`;
  writeFileSync(file, `${secret}\n`, { mode: 0o600 });
  return secret;
}

function lock(lockFile: string, root: string): void {
  const holder: Holder = { pid: process.pid, identity: identifyProcess(process.pid) };
  // Two rounds: the lock of a dead run is removed once; whoever is there after that is alive and was faster.
  for (let round = 0; round < 2; round += 1) {
    try {
      writeFileSync(lockFile, JSON.stringify(holder), { flag: 'wx', mode: 0o600 });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const other = readHolder(lockFile);
    const isAlive =
      other !== null && other.identity !== null && identifyProcess(other.pid) === other.identity;
    if (isAlive) throw inUse(root, other.pid);
    rmSync(lockFile, { force: true });
  }
  throw inUse(root, readHolder(lockFile)?.pid);
}

function inUse(root: string, pid: number | undefined): StartError {
  const who = pid === undefined ? 'another process' : `process ${pid}`;
  return new StartError(
    `${root} is in use by ${who}: stop that one first, or set BELLHOP_DATA_DIR to another directory`,
  );
}

function readHolder(lockFile: string): Holder | null {
  try {
    return JSON.parse(readFileSync(lockFile, 'utf8')) as Holder;
  } catch {
    return null;
  }
}
