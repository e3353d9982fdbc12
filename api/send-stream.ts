/** An answer that goes on: server-sent events to one client. Holds no more than Node's own buffer of the socket. */
import type { Request, Response } from 'express';

const MEDIA_TYPE = 'text/event-stream';
/** A client that takes nothing for this long is gone or stuck; it can come back and resume. */
const STALLED_MS = 300_000;

export type EventSink = {
  /** Resolves when more may be written: a reader who does not read keeps its stream waiting, not our memory growing. */
  write(text: string): Promise<void>;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
};

export function isStream(res: Response): boolean {
  return String(res.getHeader('content-type')).startsWith(MEDIA_TYPE);
}

export async function sendStream(
  req: Request,
  res: Response,
  follow: (sink: EventSink) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  res.setHeader('content-type', `${MEDIA_TYPE}; charset=utf-8`);
  // A proxy that gathers, compresses or caches would keep events to itself.
  res.setHeader('cache-control', 'no-store, no-transform');
  res.setHeader('x-accel-buffering', 'no');
  // So that the end of the stream is the end of the connection, also when this process stops.
  res.setHeader('connection', 'close');
  res.flushHeaders();
  if (req.method !== 'HEAD') await follow(createEventSink(res, signal));
  // Whoever has not read by now would hold the connection open for as long as it likes.
  if (res.writableNeedDrain) res.destroy();
  else res.end();
}

function createEventSink(res: Response, signal: AbortSignal): EventSink {
  return {
    signal,
    write: async (text) => {
      if (signal.aborted || res.write(text)) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const go = (): void => resolve();
      const stalled = setTimeout(() => res.destroy(), STALLED_MS);
      res.once('drain', go);
      signal.addEventListener('abort', go);
      await promise;
      clearTimeout(stalled);
      res.off('drain', go);
      signal.removeEventListener('abort', go);
    },
  };
}
