/**
 * Holds `?wait=` answers. One query for all runs that somebody waits for, however many wait, as long as anybody does.
 * The database is the only thing asked: a query to Temporal would need a worker and a replay.
 */
import type { Database } from '../db/pool.ts';
import { runHeads } from '../db/runs.ts';
import { asSystem } from '../db/scope.ts';
import type { RunStatus } from '../domain/statuses.ts';

// A person does not notice a quarter of a second, and four small queries a second do not load a database.
const POLL_INTERVAL_MS = 250;

export type RunWatch = {
  /** Resolves when the run is not `running` any more, when `ms` are over, when the signal aborts, or on close. */
  waitForRun(runId: string, ms: number, signal: AbortSignal): Promise<void>;
  /** Lets everybody go; their answers are the runs as they are. */
  close(): void;
};

type Waiter = { readonly runId: string; readonly release: () => void };

export function createRunWatch(db: Database, onError: (error: unknown) => void): RunWatch {
  const waiters = new Set<Waiter>();
  let timer: NodeJS.Timeout | null = null;
  let isClosed = false;

  const poll = async (): Promise<void> => {
    try {
      const ids = [...new Set([...waiters].map((waiter) => waiter.runId))];
      const heads = new Map(
        (await asSystem(db, (tx) => runHeads(tx, ids))).map((head) => [head.id, head.status]),
      );
      for (const waiter of waiters)
        if (!isBusy(heads.get(waiter.runId)) && ids.includes(waiter.runId)) waiter.release();
    } catch (error) {
      onError(error);
    }
    timer = waiters.size > 0 && !isClosed ? setTimeout(() => void poll(), POLL_INTERVAL_MS) : null;
  };

  return {
    waitForRun: (runId, ms, signal) =>
      new Promise<void>((resolve) => {
        if (isClosed || signal.aborted) return resolve();
        const waiter: Waiter = {
          runId,
          release: () => {
            clearTimeout(deadline);
            signal.removeEventListener('abort', waiter.release);
            waiters.delete(waiter);
            resolve();
          },
        };
        const deadline = setTimeout(waiter.release, ms);
        signal.addEventListener('abort', waiter.release);
        waiters.add(waiter);
        timer ??= setTimeout(() => void poll(), POLL_INTERVAL_MS);
      }),
    close: () => {
      isClosed = true;
      if (timer) clearTimeout(timer);
      for (const waiter of waiters) waiter.release();
    },
  };
}

/** Not ended, and waiting for nobody. */
export function isBusy(status: RunStatus | undefined): boolean {
  return status === 'running';
}
