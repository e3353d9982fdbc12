/**
 * The effect journal: one line for each thing that really happened, in order, never changed and never removed.
 * Tests judge by it. With a file, an effect is on disk before its answer leaves (fsync in batches).
 */
import { closeSync, existsSync, fsync, openSync, readFileSync, truncateSync, write } from 'node:fs';
import { promisify } from 'node:util';
import type { JsonObject } from '../../../domain/json.ts';

export type Effect = {
  /** From 1, without gaps. */
  readonly seq: number;
  /** RFC 3339 UTC. */
  readonly at: string;
  readonly slug: string;
  readonly toolkit: string;
  /** Null for tools that need no account. */
  readonly accountId: string | null;
  readonly accountOwner: string | null;
  /** The `user_id` of the request. Ownership is enforced, so this equals `accountOwner` unless the sandbox is broken. */
  readonly userId: string | null;
  readonly arguments: JsonObject;
  readonly logId: string;
  readonly readOnly: boolean;
};

const writeAll = promisify(write);
const sync = promisify(fsync);

// Reads such as "list issues" show what this account did before; more than a page of it is never shown.
const RECENT_PER_TOOL = 50;

export class Journal {
  readonly #effects: Effect[] = [];
  readonly #recent = new Map<string, Effect[]>();
  readonly #descriptor: number | null;
  #buffered: string[] = [];
  #flushing: Promise<void> | null = null;

  constructor(file: string | null) {
    if (file === null) {
      this.#descriptor = null;
      return;
    }
    if (existsSync(file)) for (const effect of readJournal(file)) this.#remember(effect);
    this.#descriptor = openSync(file, 'a');
  }

  append(effect: Omit<Effect, 'seq' | 'at'>): Effect {
    const entry: Effect = { seq: this.#effects.length + 1, at: new Date().toISOString(), ...effect };
    this.#remember(entry);
    if (this.#descriptor !== null) this.#buffered.push(`${JSON.stringify(entry)}\n`);
    return entry;
  }

  /** Resolves when everything appended so far is on disk; at once without a file. */
  async durable(): Promise<void> {
    while (this.#buffered.length > 0 || this.#flushing) {
      this.#flushing ??= this.#flush().finally(() => {
        this.#flushing = null;
      });
      await this.#flushing;
    }
  }

  get needsFlush(): boolean {
    return this.#buffered.length > 0;
  }

  get size(): number {
    return this.#effects.length;
  }

  /** Effects with a sequence number above `seq`. */
  since(seq: number): readonly Effect[] {
    return this.#effects.slice(Math.max(0, seq));
  }

  /** What this account did with this tool lately, oldest first. */
  recent(accountId: string, slug: string): readonly Effect[] {
    return this.#recent.get(`${accountId} ${slug}`) ?? [];
  }

  async close(): Promise<void> {
    await this.durable();
    if (this.#descriptor !== null) closeSync(this.#descriptor);
  }

  #remember(effect: Effect): void {
    this.#effects.push(effect);
    if (effect.accountId === null || effect.readOnly) return;
    const key = `${effect.accountId} ${effect.slug}`;
    const recent = this.#recent.get(key);
    if (!recent) this.#recent.set(key, [effect]);
    else if (recent.push(effect) > RECENT_PER_TOOL) recent.shift();
  }

  async #flush(): Promise<void> {
    if (this.#descriptor === null) return;
    const text = this.#buffered.join('');
    this.#buffered = [];
    const bytes = Buffer.from(text);
    let written = 0;
    while (written < bytes.length) {
      const { bytesWritten } = await writeAll(this.#descriptor, bytes, written);
      written += bytesWritten;
    }
    await sync(this.#descriptor);
  }
}

/** Whole lines only: what a killed process left half written was never answered, and is cut off. */
function readJournal(file: string): readonly Effect[] {
  const bytes = readFileSync(file);
  const end = bytes.lastIndexOf(0x0a) + 1;
  if (end < bytes.length) truncateSync(file, end);
  const lines = bytes.subarray(0, end).toString('utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Effect);
}
