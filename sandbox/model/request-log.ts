/** The requests that came in, newest last, bounded by count and by size: what tests judge by. Keys are not kept. */
import type { LoggedRequest } from './protocol.ts';

const MAX_ENTRIES = 20_000;
/** Characters of bodies. A soak with long transcripts keeps the newest ones. */
const MAX_CHARACTERS = 64 * 1024 * 1024;

/** The body is kept as the text it came in, a fifth of the memory of its objects, and parsed when somebody asks. */
type Arrival = Omit<LoggedRequest, 'seq' | 'outcome' | 'body'> & { readonly text: string };
type Entry = { readonly seq: number; readonly arrival: Arrival; outcome: LoggedRequest['outcome'] };

export type RequestLog = {
  /** The entry's number, for `settle`. */
  add(arrival: Arrival): number;
  /** Says how the request was answered. The first word counts. */
  settle(seq: number, outcome: LoggedRequest['outcome']): void;
  /** Entries after `after`, oldest first, whose body holds `marker` when one is given. */
  list(filter: { after: number; limit: number; marker: string | null }): readonly LoggedRequest[];
  clear(): void;
};

export function createRequestLog(): RequestLog {
  const entries = new Map<number, Entry>();
  let seq = 0;
  let characters = 0;
  const dropOldest = (): void => {
    for (const [number, { arrival }] of entries) {
      const isFull = entries.size > MAX_ENTRIES || (characters > MAX_CHARACTERS && entries.size > 1);
      if (!isFull) return;
      entries.delete(number);
      characters -= arrival.text.length;
    }
  };
  return {
    add(arrival) {
      seq += 1;
      entries.set(seq, { seq, arrival, outcome: null });
      characters += arrival.text.length;
      dropOldest();
      return seq;
    },
    settle(number, outcome) {
      const entry = entries.get(number);
      if (entry?.outcome === null) entry.outcome = outcome;
    },
    list({ after, limit, marker }) {
      // As it stands inside a JSON string.
      const needle = marker === null ? null : JSON.stringify(marker).slice(1, -1);
      const found: LoggedRequest[] = [];
      for (const { seq: number, arrival, outcome } of entries.values()) {
        if (found.length >= limit) break;
        if (number <= after || (needle !== null && !arrival.text.includes(needle))) continue;
        const { text, ...rest } = arrival;
        found.push({ ...rest, seq: number, body: parse(text), outcome });
      }
      return found;
    },
    clear() {
      entries.clear();
      characters = 0;
    },
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
