/**
 * Puts a program into the cache folder in one step: made in a folder of its own, then renamed over the target, so that
 * two starts at once, or a killed one, never leave half a program under the final name.
 */
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** `make` gets an empty folder on the target's file system and says which file in it is the program. */
export async function installAtomically(
  target: string,
  make: (folder: string) => Promise<string>,
): Promise<void> {
  mkdirSync(dirname(target), { recursive: true });
  const folder = mkdtempSync(join(dirname(target), '.making-'));
  try {
    const program = await make(folder);
    chmodSync(program, 0o755);
    renameSync(program, target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
