/**
 * Holds `?wait=` answers. One query for all runs that somebody waits for, however many wait, as long as anybody does.
 * The database is the only thing asked: a query to Temporal would need a worker and a replay.
 */
import type { Database } from '../db/pool.ts';
import { type RunHead, runHeads } from '../db/runs.ts';
import { asSystem } from '../db/scope.ts';
import { isEndedRunStatus } from '../domain/statuses.ts';

// A person does not notice a quarter of a second, and four small queries a second do not load a database.
const POLL_INTERVAL_MS = 250;

export type RunWatch = {
  /** Resolves when the run has ended or waits for someone, when `ms` are over, when the signal aborts, or on close. */
  waitForRun(runId: string, ms: number, signal: AbortSignal): Promise<void>;
  /** Lets everybody go; their answers are the runs as they are. */
  close(): void;
};

type Waiter = { readonly runId: string; readonly release: () => void };

export function createRunWatch(db: Database, onError: (error: unknown) => void): RunWatch {
  const waiters = new Set<Waiter>();
  let timer: NodeJS.Timeout | null = null;
  let isClosed = false;

  const busyOf = async (ids: readonly string[]): Promise<ReadonlySet<string>> => {
    const heads = await asSystem(db, (tx) => runHeads(tx, ids));
    return new Set(heads.filter(isBusy).map((head) => head.id));
  };
  const poll = async (): Promise<void> => {
    // Those who come while the query runs are looked at the next time.
    const asked = [...waiters];
    try {
      const busy = await busyOf([...new Set(asked.map((waiter) => waiter.runId))]);
      for (const waiter of asked) if (!busy.has(waiter.runId)) waiter.release();
    } catch (error) {
      onError(error);
    }
    timer = null;
    schedule();
  };
  const schedule = (): void => {
    if (waiters.size > 0 && !isClosed) timer ??= setTimeout(() => void poll(), POLL_INTERVAL_MS);
  };
  const hold = (runId: string, ms: number, signal: AbortSignal): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const release = (): void => {
      clearTimeout(deadline);
      signal.removeEventListener('abort', release);
      waiters.delete(waiter);
      resolve();
    };
    const waiter: Waiter = { runId, release };
    const deadline = setTimeout(release, ms);
    signal.addEventListener('abort', release);
    waiters.add(waiter);
    schedule();
    return promise;
  };

  return {
    waitForRun: async (runId, ms, signal) => {
      const busy = await busyOf([runId]);
      if (busy.has(runId) && !isClosed && !signal.aborted) await hold(runId, ms, signal);
    },
    close: () => {
      isClosed = true;
      if (timer) clearTimeout(timer);
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
