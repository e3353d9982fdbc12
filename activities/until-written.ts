/**
 * What came of a call that was sent is known here and nowhere else: a database that is away for a moment must not turn it
 * into `unknown`, nor one that cannot keep what the provider sent. Tries again for a while; beyond that the ledger's own rule
 * holds.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_PART_CHARS } from '../db/load-conversation.ts';
import type { ToolCallOutcome } from '../db/ledger.ts';
import { storableJson } from '../domain/json.ts';
import { SupersededCallError } from './tool-claim.ts';

/** About 10 s in all: a failover takes seconds, and the activity goes on beating meanwhile. */
const WAITS_MS = [100, 300, 1_000, 2_000, 3_000, 4_000];

export async function untilWritten<T>(
  write: () => Promise<T>,
  isHopeless: (error: unknown) => boolean = () => false,
): Promise<T> {
  for (const wait of WAITS_MS) {
    try {
      return await write();
    } catch (error) {
      if (error instanceof SupersededCallError || isHopeless(error)) throw error;
      await sleep(wait);
    }
  }
  return write();
}

/** Writes the outcome; where PostgreSQL cannot keep its result, the outcome with the beginning of that result. */
export async function untilSettled<T>(
  outcome: ToolCallOutcome,
  write: (outcome: ToolCallOutcome) => Promise<T>,
): Promise<T> {
  try {
    return await untilWritten(() => write(outcome), refusesContent);
  } catch (error) {
    if (!refusesContent(error) || !('result' in outcome)) throw error;
    const beginning = storableJson(outcome.result ?? null).slice(0, MAX_PART_CHARS);
    const result = `[The result could not be kept. It begins:] ${beginning}`;
    return await untilWritten(() => write({ ...outcome, result }));
  }
}

/**
 * SQLSTATE classes that speak of the value and not of the server's health: data exception, program limit exceeded (54), out of
 * memory, a statement that ran out of time.
 */
function refusesContent(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^(22...|54...|53200|57014)$/.test(code);
}
