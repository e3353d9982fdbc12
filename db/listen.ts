/**
 * One connection of its own that hears what is told on a channel: which runs have changed, or that Composio wants a pause.
 * It may be lost at any time and comes back by itself; what
 * was told meanwhile is lost, so whoever hears it looks at everything after `onReady`, and polls besides.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { RUN_CHANNEL } from './watch.ts';

export type ListenerOptions = {
  /** Not a pooler's that gives a connection for one transaction only: it would forget who listens. */
  readonly url: string;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  readonly onTold: (payload: string) => void;
  /** It listens, now or again. */
  readonly onReady: () => void;
  /** Once for each time that it stopped listening, not for each try to come back. */
  readonly onLost: (error: unknown) => void;
};
export type RunListenerOptions = Omit<ListenerOptions, 'onTold'> & {
  readonly onChange: (runId: string) => void;
};
export type Listener = { close(): Promise<void> };

/** A database that restarts is back within a second or two; a dead one is not to be hammered. */
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;
/** Finds a connection that is dead without a word, and a pooler that swallows notifications. */
const ECHO_INTERVAL_MS = 30_000;
/** Far more than a round trip. */
const ECHO_TIMEOUT_MS = 5_000;

export function listenToRuns({ onChange, ...options }: RunListenerOptions): Listener {
  return listenTo(RUN_CHANNEL, { ...options, onTold: onChange });
}

export function listenTo(channel: string, options: ListenerOptions): Listener {
  const closing = new AbortController();
  const done = listenForever(channel, options, closing.signal);
  return {
    close: async () => {
      closing.abort();
      await done;
    },
  };
}

async function listenForever(channel: string, options: ListenerOptions, closing: AbortSignal): Promise<void> {
  let failures = 0;
  while (!closing.aborted) {
    try {
      await listenOnce(channel, options, closing, () => {
        failures = 0;
        options.onReady();
      });
    } catch (error) {
      if (failures === 0 && !closing.aborted) options.onLost(error);
    }
    const most = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** failures);
    failures += 1;
    // Many processes lose their connections at the same moment; they need not all come back at the same one.
    await sleep(most * (0.5 + Math.random() / 2), undefined, { signal: closing }).catch(() => undefined);
  }
}

/** Listens until `closing`. @throws when the connection is lost or does not bring what was notified. */
async function listenOnce(
  channel: string,
  { url, name, onTold }: ListenerOptions,
  closing: AbortSignal,
  onReady: () => void,
): Promise<void> {
  const connect = (): pg.Client =>
    new pg.Client({
      connectionString: url,
      application_name: name,
      connectionTimeoutMillis: ECHO_TIMEOUT_MS,
      query_timeout: ECHO_TIMEOUT_MS,
      keepAlive: true,
    });
  const client = connect();
  const { promise: lost, reject } = Promise.withResolvers<never>();
  lost.catch(() => undefined);
  client.on('error', reject);
  client.on('end', () => reject(new Error('the connection ended')));
  const onAbort = (): void => reject(closing.reason);
  closing.addEventListener('abort', onAbort);
  const echoChannel = `bellhop_echo_${randomUUID().replaceAll('-', '')}`;
  let echo = Promise.withResolvers<void>();
  client.on('notification', ({ channel: told, payload }) => {
    if (told === channel && payload) onTold(payload);
    else if (told === echoChannel) echo.resolve();
  });
  try {
    closing.throwIfAborted();
    await Promise.race([client.connect(), lost]);
    await Promise.race([client.query(`listen ${channel}; listen ${echoChannel}`), lost]);
    for (let isFirst = true; ; isFirst = false) {
      echo = Promise.withResolvers<void>();
      await Promise.race([
        isFirst ? shout(connect(), echoChannel) : client.query(`notify ${echoChannel}`),
        lost,
      ]);
      await Promise.race([within(ECHO_TIMEOUT_MS, echo.promise), lost]);
      if (isFirst) onReady();
      await Promise.race([sleep(ECHO_INTERVAL_MS, undefined, { signal: closing }), lost]);
    }
  } finally {
    closing.removeEventListener('abort', onAbort);
    // Not awaited: the goodbye to a server that is gone would never be answered.
    client.end().catch(() => undefined);
    client.connection.stream.destroy();
  }
}

/**
 * From another connection: a pooler may well give both of our own transactions to one session, which then hears itself, and
 * hears nobody else.
 */
async function shout(other: pg.Client, channel: string): Promise<void> {
  other.on('error', () => undefined);
  try {
    await other.connect();
    await other.query(`notify ${channel}`);
  } finally {
    other.end().catch(() => undefined);
  }
}

async function within(ms: number, heard: Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () =>
      reject(new Error('notifications do not come through; a pooler needs DATABASE_DIRECT_URL beside it')),
    ms,
  );
  try {
    await Promise.race([heard, promise]);
  } finally {
    clearTimeout(timer);
  }
}
