/** Where things are kept that every clone of this user can share and that can be made again. Names a path, makes nothing. */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** BELLHOP_CACHE_DIR, else the user's cache folder; an empty variable counts as unset. */
export function cacheFolderOf(env: Readonly<Record<string, string | undefined>>): string {
  return env['BELLHOP_CACHE_DIR'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'bellhop');
}

/** Node's own cache of compiled sources: it halves the CPU time in which worker and API load. Node checks what it reads. */
export function compileCacheOf(env: Readonly<Record<string, string | undefined>>): string {
  return env['NODE_COMPILE_CACHE'] || join(cacheFolderOf(env), 'compile');
}
