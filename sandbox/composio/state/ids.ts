/** Ids as Composio makes them (`ca_`, `ac_`, `lk_` and twelve characters), and clock readings that never repeat. */
import { randomBytes } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_';
// One system call feeds about 340 ids: ids are made on the hot path of benchmarks.
const POOL_BYTES = 4096;
let pool = Buffer.alloc(0);
let at = 0;

export function nanoId(prefix: string, length = 12): string {
  let id = prefix;
  for (let i = 0; i < length; i += 1) {
    if (at >= pool.length) {
      pool = randomBytes(POOL_BYTES);
      at = 0;
    }
    id += ALPHABET[(pool[at] ?? 0) & 63];
    at += 1;
  }
  return id;
}

let lastMs = 0;
/** Now, in RFC 3339, at least one millisecond after the last answer, so that "newest" is never a tie. */
export function distinctTimestamp(): string {
  lastMs = Math.max(Date.now(), lastMs + 1);
  return new Date(lastMs).toISOString();
}
