/**
 * How often a flow that was clicked looks for its account. Each look is an activity and a request to Composio, so when thousands have
 * clicked in the same minutes each looks less often: polling is for callbacks that never come, and must not be in the way of those that do.
 */
import { countClickedFlows } from '../db/clicked-flows.ts';
import type { Database } from '../db/pool.ts';
import { asSystemOnce } from '../db/scope.ts';

/** All flows together look ten times a second, as long as that gives each its two looks: to 2,400 of them. */
const LEAST_GAP_MS = 100;
/** An attempt lives 12 minutes; a consent without a callback needs two looks in it (CONNECT_CALLBACK_GRACE lies between). */
const LONGEST_MS = 4 * 60_000;
/** What was counted is as good for everybody who looks in the next seconds. */
const COUNT_LIFE_MS = 5_000;

/** @returns a function that gives the wait between two looks of one flow, milliseconds: `intervalMs` where there is no crowd. */
export function createPollPace(
  db: Database,
  intervalMs: number,
  count: () => Promise<number> = () => asSystemOnce(db, countClickedFlows(LONGEST_MS / LEAST_GAP_MS)),
): () => Promise<number> {
  let countedAt = Number.NEGATIVE_INFINITY;
  let counted: Promise<number> = Promise.resolve(0);
  return async () => {
    if (performance.now() - countedAt > COUNT_LIFE_MS) {
      countedAt = performance.now();
      // Where it cannot be counted the next look comes as if there was no crowd.
      counted = count().catch(() => 0);
    }
    return Math.max(intervalMs, Math.min(LONGEST_MS, (await counted) * LEAST_GAP_MS));
  };
}
