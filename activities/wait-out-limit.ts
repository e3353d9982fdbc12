/**
 * For work that goes through many requests in one attempt, and that nobody waits for: where Composio's limit leaves it no
 * room, it waits in its place. A new attempt would repeat pages, and an audit that yields to runs all day would never end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ComposioFailure } from '../composio/failure.ts';

/** A 429 that names no time is not to be answered at once. */
const LEAST_WAIT_MS = 1_000;

/** Only what was provably not done is asked again. @throws AbortError when the signal aborts, and whatever else `ask` throws. */
export async function waitOutLimit<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ComposioFailure) || error.kind !== 'rate_limited') throw error;
      await sleep(Math.max(error.retryAfterMs ?? 0, LEAST_WAIT_MS), undefined, { signal });
    }
  }
}
