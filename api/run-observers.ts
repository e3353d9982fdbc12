/** What watches runs for callers: one listener, one poll, and on them the waits and the streams. Closed as one. */
import type { Logger } from 'pino';
import { Gauge, type Registry } from 'prom-client';
import { listenToRuns } from '../db/listen.ts';
import type { Database } from '../db/pool.ts';
import { createEventReader } from './event-reader.ts';
import { createEventStreams, type EventStreams, type EventStreamsOptions } from './event-streams.ts';
import { createRunChanges, type RunChanges } from './run-changes.ts';
import { createRunWatch, type RunWatch } from './run-watch.ts';

export type RunObservers = {
  readonly changes: RunChanges;
  readonly runWatch: RunWatch;
  readonly eventStreams: EventStreams;
  /** Lets all waits and streams go, then hangs up. */
  close(): Promise<void>;
};
export type RunObserversOptions = {
  readonly db: Database;
  /** A database URL that keeps its connection; null: no LISTEN, the poll alone. */
  readonly listenUrl: string | null;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly streams?: Pick<EventStreamsOptions, 'heartbeatMs' | 'maxStreams'>;
};

export function createRunObservers({ db, listenUrl, logger, ...options }: RunObserversOptions): RunObservers {
  const warn =
    (message: string) =>
    (err: unknown): void =>
      logger.warn({ err }, message);
  const changes = createRunChanges(db, warn('runs could not be polled'));
  const runWatch = createRunWatch(db, changes, warn('waiting for runs was interrupted'));
  const eventStreams = createEventStreams({
    read: createEventReader(db),
    changes,
    onError: warn('events could not be read; their streams wait'),
    ...options.streams,
  });
  const listener =
    listenUrl === null
      ? null
      : listenToRuns({
          url: listenUrl,
          name: 'bellhop-api-listen',
          onChange: changes.announce,
          onReady: changes.announceAll,
          onLost: warn('changes of runs are not heard at once, only found by polling'),
        });
  const gauge: Gauge = new Gauge({
    name: 'bellhop_event_streams',
    help: 'Event streams that are open.',
    registers: [options.registry],
    collect: () => gauge.set(eventStreams.size()),
  });
  return {
    changes,
    runWatch,
    eventStreams,
    close: async () => {
      runWatch.close();
      eventStreams.close();
      changes.close();
      await listener?.close();
    },
  };
}
