/**
 * The system account that embedded PostgreSQL runs as. PostgreSQL refuses to run as root; everybody else runs it as
 * themselves. It only looks accounts up, and creates one where root has none to use.
 */
import { execFileSync } from 'node:child_process';
import { StartError } from '../start-error.ts';

export type Account = { readonly uid: number | undefined; readonly gid: number | undefined };

/** `uid` and `gid` are undefined when no change is needed. Throws one clear line when root has no account and cannot make one. */
export function resolvePostgresAccount(): Account {
  if (process.getuid?.() !== 0) return { uid: undefined, gid: undefined };
  const found = lookUp();
  if (found !== null) return found;
  try {
    execFileSync('groupadd', ['--system', 'postgres'], { stdio: 'ignore' });
    execFileSync('useradd', ['--system', '--gid', 'postgres', '--no-create-home', 'postgres'], {
      stdio: 'ignore',
    });
  } catch {
    // The look-up below decides; another start may have made the account meanwhile.
  }
  const made = lookUp();
  if (made !== null) return made;
  throw new StartError(
    'PostgreSQL cannot run as root: run as another user, create a system user named "postgres", or set DATABASE_URL',
  );
}

function lookUp(): Account | null {
  try {
    const id = (flag: string) =>
      Number(
        execFileSync('id', [flag, 'postgres'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
      );
    const account = { uid: id('-u'), gid: id('-g') };
    return account.uid > 0 ? account : null;
  } catch {
    return null;
  }
}
