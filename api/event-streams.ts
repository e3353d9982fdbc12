/**
 * Follows runs for clients: every event after a number, in order, once, until the run's last. A stream's only state is the
 * number of the last event that it wrote, so nothing can be lost or repeated, whatever woke it or failed to.
 */
import { type Bell, createBell } from './bell.ts';
import { FIRST_FIELDS, HEARTBEAT } from './event-frames.ts';
import type { ReadEvents } from './event-reader.ts';
import type { EventSink } from './send-stream.ts';
import type { RunChanges } from './run-changes.ts';

export type EventStreams = {
  /** No further stream should be opened here. */
  isFull(): boolean;
  /** Streams that are open now. */
  size(): number;
  /** Resolves when everything was written, the client has gone, or this process stops. */
  follow(from: { runId: string; after: number }, sink: EventSink): Promise<void>;
  /** Ends all streams; their clients resume elsewhere. */
  close(): void;
};

export type EventStreamsOptions = {
  readonly read: ReadEvents;
  readonly changes: RunChanges;
  readonly onError: (error: unknown) => void;
  readonly heartbeatMs?: number;
  readonly maxStreams?: number;
};

/** Proxies cut connections that are silent for 30 to 60 s. */
const HEARTBEAT_MS = 15_000;
/** Half of the connections that the server takes, so that streams never keep other requests out. */
const MAX_STREAMS = 5_000;
/** A database that does not answer is asked again after this. */
const RETRY_MS = 1_000;

export function createEventStreams(options: EventStreamsOptions): EventStreams {
  const { read, changes, onError, heartbeatMs = HEARTBEAT_MS, maxStreams = MAX_STREAMS } = options;
  /** How each open stream is told to look up. */
  const open = new Set<() => void>();
  const closed = Promise.withResolvers<void>();
  let isClosed = false;
  let isFailing = false;

  /** @returns null when the database does not answer. */
  const tryRead = async (runId: string, after: number) => {
    try {
      const page = await read(runId, after);
      isFailing = false;
      return { page };
    } catch (error) {
      if (!isFailing) onError(error);
      isFailing = true;
      return null;
    }
  };

  /** Silence is filled with heartbeats, and costs no read. */
  const untilRung = async (bell: Bell, sink: EventSink): Promise<void> => {
    while (!(await bell.wait(heartbeatMs))) await Promise.race([sink.write(HEARTBEAT), closed.promise]);
  };

  const follow: EventStreams['follow'] = async ({ runId, after }, sink) => {
    const bell = createBell();
    // Before the first read, so that nothing falls between the two.
    const unsubscribe = changes.subscribe(runId, bell.ring);
    sink.signal.addEventListener('abort', bell.ring);
    open.add(bell.ring);
    const isOver = (): boolean => isClosed || sink.signal.aborted;
    let last = after;
    let firstFields = FIRST_FIELDS;
    try {
      while (!isOver()) {
        bell.clear();
        const answer = await tryRead(runId, last);
        if (isOver()) return;
        if (answer?.page === null) return;
        const page = answer?.page;
        if (page && page.text !== '') {
          last = page.last;
          // A reader who does not read must not hold up the end of this process.
          await Promise.race([sink.write((page.isEnd ? '' : firstFields) + page.text), closed.promise]);
          firstFields = '';
        }
        if (page?.isEnd) return;
        if (page?.isFull) continue;
        if (page) await untilRung(bell, sink);
        else await bell.wait(RETRY_MS);
      }
    } finally {
      unsubscribe();
      sink.signal.removeEventListener('abort', bell.ring);
      open.delete(bell.ring);
    }
  };

  return {
    isFull: () => isClosed || open.size >= maxStreams,
    size: () => open.size,
    follow,
    close: () => {
      isClosed = true;
      closed.resolve();
      for (const ring of open) ring();
    },
  };
}
