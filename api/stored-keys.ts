/**
 * Whose a stored key is. A key that works is remembered for two seconds, so that a busy one costs a look-up every other
 * second and a deleted one is dead within two, in every process. One that does not work is never remembered.
 */
import { type KeyHolder, findKeyHolder } from '../db/api-keys.ts';
import type { Database } from '../db/pool.ts';
import { asSystemOnce } from '../db/scope.ts';

/** Of a key's SHA-256. */
export type FindKey = (hash: Buffer) => Promise<KeyHolder | null>;

/** Less than the five seconds in which a deleted key must be dead, with room for a slow answer. */
const REMEMBERED_MS = 2_000;
/** Some 200 bytes each; more keys than an installation has. The oldest is forgotten, and looked up again. */
const MOST_REMEMBERED = 1_000;

export function createStoredKeys(db: Database, now: () => number = () => performance.now()): FindKey {
  const known = new Map<string, { readonly askedMs: number; readonly holder: Promise<KeyHolder | null> }>();

  function look(hash: Buffer, name: string): Promise<KeyHolder | null> {
    const holder = asSystemOnce(db, findKeyHolder(hash));
    // From when it was asked: a deletion that commits later cannot have been seen.
    const entry = { askedMs: now(), holder };
    known.delete(name);
    known.set(name, entry);
    const oldest = known.size > MOST_REMEMBERED ? known.keys().next() : null;
    if (oldest && !oldest.done) known.delete(oldest.value);
    const forget = (): void => {
      if (known.get(name) === entry) known.delete(name);
    };
    holder.then((found) => found ?? forget(), forget);
    return holder;
  }

  return async (hash) => {
    const name = hash.toString('base64');
    const entry = known.get(name);
    return entry && now() - entry.askedMs < REMEMBERED_MS ? entry.holder : look(hash, name);
  };
}
