/**
 * Reads events for all streams of the process with one query at a time: who asks while it runs is in the next one, and all
 * who stand at the same place of the same run share one page and its text. So the load of the database, and the number of
 * pool connections taken, do not grow with readers.
 */
import type { EventPosition } from '../db/event-pages.ts';
import { readEventPages } from '../db/event-pages.ts';
import type { Database } from '../db/pool.ts';
import { asSystem } from '../db/scope.ts';
import { toFrame } from './event-frames.ts';

/** What one stream holds in memory at most is such a page, some 15 kB of text. */
const PAGE_EVENTS = 100;
/** Positions in one query. */
const BATCH = 100;

export type StreamPage = {
  /** Frames of the events, in order; empty when there are none. */
  readonly text: string;
  /** Number of the last event of this page; the position asked for when there is none. */
  readonly last: number;
  readonly isFull: boolean;
  /** The run has ended, and after this page there is nothing more. */
  readonly isEnd: boolean;
};
/** Events of the run after this number; null when there is no such run. @throws what the database throws. */
export type ReadEvents = (runId: string, after: number) => Promise<StreamPage | null>;

type Asked = EventPosition & PromiseWithResolvers<StreamPage | null>;

export function createEventReader(db: Database): ReadEvents {
  const asked = new Map<string, Asked>();
  let isReading = false;

  const readBatch = async (batch: readonly Asked[]): Promise<void> => {
    try {
      const pages = await asSystem(db, (tx) => readEventPages(tx, batch, PAGE_EVENTS));
      for (const [i, { after, resolve }] of batch.entries()) {
        const page = pages[i];
        const isFull = page?.events.length === PAGE_EVENTS;
        resolve(
          page
            ? {
                text: page.events.map(toFrame).join(''),
                last: page.events.at(-1)?.seq ?? after,
                isFull,
                isEnd: page.isRunEnded && !isFull,
              }
            : null,
        );
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };
  const readAll = async (): Promise<void> => {
    if (isReading) return;
    isReading = true;
    // All who were woken by the same word ask in the same turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
    while (asked.size > 0) {
      const batch = [...asked].slice(0, BATCH);
      for (const [key] of batch) asked.delete(key);
      await readBatch(batch.map(([, one]) => one));
    }
    isReading = false;
  };

  return (runId, after) => {
    const key = `${after} ${runId}`;
    const one = asked.get(key) ?? { runId, after, ...Promise.withResolvers<StreamPage | null>() };
    asked.set(key, one);
    void readAll();
    return one.promise;
  };
}
