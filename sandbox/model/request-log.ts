/** The requests that came in, newest last, bounded by count and by size: what tests judge by. Keys are not kept. */
import type { LoggedRequest } from './protocol.ts';

const MAX_ENTRIES = 20_000;
/** Characters of bodies. A soak with long transcripts keeps the newest ones. */
const MAX_CHARACTERS = 64 * 1024 * 1024;

export type RequestLog = {
  /** The entry's number, for `settle`. */
  add(request: Omit<LoggedRequest, 'seq' | 'outcome'>, characters: number): number;
  settle(seq: number, outcome: LoggedRequest['outcome']): void;
  /** Entries after `after`, whose body holds `marker` when one is given. */
  list(filter: { after: number; limit: number; marker: string | null }): readonly LoggedRequest[];
  clear(): void;
};

export function createRequestLog(): RequestLog {
  const entries = new Map<number, { request: LoggedRequest; characters: number }>();
  let seq = 0;
  let characters = 0;
  const dropOldest = (): void => {
    for (const [number, entry] of entries) {
      const isFull = entries.size > MAX_ENTRIES || (characters > MAX_CHARACTERS && entries.size > 1);
      if (!isFull) return;
      entries.delete(number);
      characters -= entry.characters;
    }
  };
  return {
    add(request, size) {
      seq += 1;
      entries.set(seq, { request: { ...request, seq, outcome: null }, characters: size });
      characters += size;
      dropOldest();
      return seq;
    },
    settle(number, outcome) {
      const entry = entries.get(number);
      if (entry && entry.request.outcome === null) entry.request = { ...entry.request, outcome };
    },
    list({ after, limit, marker }) {
      const found: LoggedRequest[] = [];
      for (const { request } of entries.values()) {
        if (found.length >= limit) break;
        if (request.seq <= after) continue;
        if (marker === null || JSON.stringify(request.body).includes(marker)) found.push(request);
      }
      return found;
    },
    clear() {
      entries.clear();
      characters = 0;
    },
  };
}
