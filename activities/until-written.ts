/**
 * What came of a call that was sent is known here and nowhere else: a database that is away for a moment must not turn it
 * into `unknown`. Tries again for a while; beyond that the ledger's own rule holds.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SupersededCallError } from './tool-claim.ts';

/** About 10 s in all: a failover takes seconds, and the activity goes on beating meanwhile. */
const WAITS_MS = [100, 300, 1_000, 2_000, 3_000, 4_000];

export async function untilWritten<T>(write: () => Promise<T>): Promise<T> {
  for (const wait of WAITS_MS) {
    try {
      return await write();
    } catch (error) {
      if (error instanceof SupersededCallError) throw error;
      await sleep(wait);
    }
  }
  return write();
}
