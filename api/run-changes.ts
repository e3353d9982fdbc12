/**
 * Which runs somebody in this process waits for, and word for them that a run may have changed. Word comes from LISTEN
 * within milliseconds and from one poll a second in any case, so that a lost notification costs a second and nothing else.
 * What has changed nobody is told: whoever hears a word reads for himself.
 */
import type { Database } from '../db/pool.ts';
import { type RunHead, runHeads } from '../db/runs.ts';
import { asSystem } from '../db/scope.ts';
import { MARK_RENEWED_AFTER_MS, watchRuns } from '../db/watch.ts';

export type RunChanges = {
  /** From now on `onChange` is called whenever the run may have changed. @returns how to stop that. */
  subscribe(runId: string, onChange: () => void): () => void;
  /** From the listener. Runs that nobody here waits for are none of ours. */
  readonly announce: (runId: string) => void;
  /** Something may have been missed. */
  readonly announceAll: () => void;
  /** Runs that are waited for now. */
  size(): number;
  close(): void;
};

/** What a lost notification, or a database without LISTEN, costs a reader at most. */
const POLL_INTERVAL_MS = 1_000;
/** A run's row is locked for milliseconds at a time. */
const RETRY_MARK_MS = 50;
/** Runs in one statement: a list of ids of some 40 kB. */
const BATCH = 1_000;

type Watched = {
  readonly listeners: Set<() => void>;
  /** By our clock; null while the run is not marked as watched. */
  markedAt: number | null;
  /** As the last poll saw it. */
  head: string | null;
};

/** `onError`: once for each time that the database stopped answering. */
export function createRunChanges(db: Database, onError: (error: unknown) => void): RunChanges {
  const runs = new Map<string, Watched>();
  let pollTimer: NodeJS.Timeout | null = null;
  let markTimer: NodeJS.Timeout | null = null;
  let isClosed = false;
  let isFailing = false;
  const tell = (run: Watched | undefined): void => {
    for (const onChange of run?.listeners ?? []) onChange();
  };

  const poll = async (): Promise<void> => {
    for (const ids of batches([...runs.keys()])) {
      const heads = await asSystem(db, (tx) => runHeads(tx, ids));
      const byId = new Map(heads.map((head) => [head.id, head]));
      for (const id of ids) {
        const run = runs.get(id);
        const head = textOf(byId.get(id));
        if (!run || run.head === head) continue;
        run.head = head;
        tell(run);
      }
    }
  };
  const markDue = async (): Promise<void> => {
    const now = Date.now();
    const due = [...runs].filter(([, run]) => (run.markedAt ?? -Infinity) <= now - MARK_RENEWED_AFTER_MS);
    for (const ids of batches(due.map(([id]) => id))) {
      const busy = new Set(await asSystem(db, (tx) => watchRuns(tx, ids)));
      for (const id of ids) {
        const run = runs.get(id);
        if (!run || busy.has(id)) continue;
        const isNew = run.markedAt === null;
        run.markedAt = now;
        // What was written before the mark was told to nobody.
        if (isNew) tell(run);
      }
    }
  };
  const isUnmarked = (): boolean => [...runs.values()].some((run) => run.markedAt === null);
  const schedulePoll = (): void => {
    if (runs.size > 0 && !isClosed) pollTimer ??= setTimeout(() => void tick(), POLL_INTERVAL_MS);
  };
  const scheduleMark = (ms: number): void => {
    if (runs.size > 0 && !isClosed) markTimer ??= setTimeout(() => void mark(), ms);
  };
  const tick = async (): Promise<void> => {
    try {
      await poll();
      isFailing = false;
    } catch (error) {
      if (!isFailing) onError(error);
      isFailing = true;
    }
    pollTimer = null;
    schedulePoll();
    scheduleMark(0);
  };
  const mark = async (): Promise<void> => {
    // A failure is left to the next tick, which tries again and tells.
    const isDone = await markDue().then(
      () => true,
      () => false,
    );
    markTimer = null;
    if (isDone && isUnmarked()) scheduleMark(RETRY_MARK_MS);
  };

  return {
    subscribe: (runId, onChange) => {
      const watched = runs.get(runId) ?? { listeners: new Set(), markedAt: null, head: null };
      watched.listeners.add(onChange);
      runs.set(runId, watched);
      if (watched.markedAt === null) scheduleMark(0);
      schedulePoll();
      return () => {
        watched.listeners.delete(onChange);
        if (watched.listeners.size === 0 && runs.get(runId) === watched) runs.delete(runId);
      };
    },
    announce: (runId) => tell(runs.get(runId)),
    announceAll: () => {
      for (const run of runs.values()) tell(run);
    },
    size: () => runs.size,
    close: () => {
      isClosed = true;
      if (pollTimer) clearTimeout(pollTimer);
      if (markTimer) clearTimeout(markTimer);
    },
  };
}

function textOf(head: RunHead | undefined): string {
  return head === undefined ? 'gone' : JSON.stringify(head);
}

function* batches(ids: readonly string[]): Generator<readonly string[]> {
  for (let i = 0; i < ids.length; i += BATCH) yield ids.slice(i, i + BATCH);
}
