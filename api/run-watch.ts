/**
 * Holds `?wait=` answers until the run has ended or waits for someone. One query for all runs that have changed, however
 * many wait. The database is the only thing asked: a query to Temporal would need a worker and a replay.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../db/pool.ts';
import { type RunHead, runHeads } from '../db/runs.ts';
import { asSystem } from '../db/scope.ts';
import { isEndedRunStatus } from '../domain/statuses.ts';
import type { RunChanges } from './run-changes.ts';

export type RunWatch = {
  /** Resolves when the run has ended or waits for someone, when `ms` are over, when the signal aborts, or on close. */
  waitForRun(runId: string, ms: number, signal: AbortSignal): Promise<void>;
  /** Lets everybody go; their answers are the runs as they are. */
  close(): void;
};

/** A database that does not answer is asked again after this. */
const RETRY_MS = 1_000;

type Waiter = { readonly runId: string; readonly release: () => void };

export function createRunWatch(
  db: Database,
  changes: RunChanges,
  onError: (error: unknown) => void,
): RunWatch {
  const waiters = new Set<Waiter>();
  const changed = new Set<string>();
  let isLooking = false;
  let isClosed = false;

  const busyOf = async (ids: readonly string[]): Promise<ReadonlySet<string>> => {
    const heads = await asSystem(db, (tx) => runHeads(tx, ids));
    return new Set(heads.filter(isBusy).map((head) => head.id));
  };
  /** One query at a time; what changes meanwhile is looked at in the next one. */
  const look = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    while (waiters.size > 0 && changed.size > 0) {
      const ids = new Set(changed);
      changed.clear();
      try {
        const busy = await busyOf([...ids]);
        for (const { runId, release } of waiters) if (ids.has(runId) && !busy.has(runId)) release();
      } catch (error) {
        onError(error);
        for (const id of ids) changed.add(id);
        await sleep(RETRY_MS, undefined, { ref: false });
      }
    }
    isLooking = false;
  };
  const hold = (runId: string, ms: number, signal: AbortSignal): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const release = (): void => {
      clearTimeout(deadline);
      signal.removeEventListener('abort', release);
      unsubscribe();
      waiters.delete(waiter);
      resolve();
    };
    const waiter: Waiter = { runId, release };
    const deadline = setTimeout(release, ms);
    const onChange = (): void => {
      changed.add(runId);
      void look();
    };
    const unsubscribe = changes.subscribe(runId, onChange);
    signal.addEventListener('abort', release);
    waiters.add(waiter);
    // After the subscription, so that nothing falls between the two.
    onChange();
    return promise;
  };

  return {
    waitForRun: async (runId, ms, signal) => {
      if (!isClosed && !signal.aborted) await hold(runId, ms, signal);
    },
    close: () => {
      isClosed = true;
      for (const waiter of waiters) waiter.release();
    },
  };
}

/** Not ended, and waiting for nobody: also when it says so only because it has not come to what was connected or cancelled. */
function isBusy(head: RunHead): boolean {
  return (
    head.status === 'running' || head.isResuming || (head.isCancelRequested && !isEndedRunStatus(head.status))
  );
}
