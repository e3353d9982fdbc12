/**
 * Folders that live as long as this process, named and signed so that the next one can clear what a killed run left:
 * its server is stopped, its folder removed. It touches nothing that is not ours or whose maker is alive.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stopLeftover } from './daemon.ts';
import { identifyProcess } from './process-identity.ts';

const PREFIX = 'bellhop-';
const OWNER_FILE = 'owner.json';
/** Where a daemon that lives in such a folder notes its pid. */
export const PID_FILE = 'process.json';

let hasSwept = false;

/** A new folder `bellhop-<kind>-…`, mode 700. The caller removes it when done. */
export async function makeTemporaryFolder(kind: string): Promise<string> {
  if (!hasSwept) {
    hasSwept = true;
    await sweepTemporaryFolders(tmpdir());
  }
  const folder = mkdtempSync(join(tmpdir(), `${PREFIX}${kind}-`));
  const owner = { pid: process.pid, identity: identifyProcess(process.pid) };
  writeFileSync(join(folder, OWNER_FILE), JSON.stringify(owner), { mode: 0o600 });
  return folder;
}

/** Stops and removes what dead processes of ours left in `parent`. Gives the folders it removed. */
export async function sweepTemporaryFolders(parent: string): Promise<string[]> {
  const removed: string[] = [];
  for (const name of readdirSync(parent)) {
    const folder = join(parent, name);
    if (!name.startsWith(PREFIX) || !isLeftByDeadProcess(folder)) continue;
    try {
      await stopLeftover(name, join(folder, PID_FILE), 'SIGINT');
      rmSync(folder, { recursive: true, force: true });
      removed.push(folder);
    } catch {
      // In use after all, or another process sweeps it at this moment: either way not ours to clear.
    }
  }
  return removed;
}

function isLeftByDeadProcess(folder: string): boolean {
  try {
    const file = join(folder, OWNER_FILE);
    if (process.getuid !== undefined && statSync(file).uid !== process.getuid()) return false;
    const owner = JSON.parse(readFileSync(file, 'utf8')) as { pid: number; identity: string | null };
    return owner.identity !== null && identifyProcess(owner.pid) !== owner.identity;
  } catch {
    return false; // not signed (yet): nothing can be said about its maker
  }
}
