/**
 * One line per request with an id of our own making, which is also the `instance` of problems and the X-Request-Id header.
 * By hand: a logger's own middleware makes three children a request, a fifth of what a small answer costs.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import { redactUrl } from './logger.ts';

declare module 'node:http' {
  interface IncomingMessage {
    /** Its lines carry the request's id. Made when it is first asked for. */
    readonly log: Logger;
  }
}

const HEADER = 'x-request-id';

export function requestIdOf(res: Response): string {
  const id = res.getHeader(HEADER);
  return typeof id === 'string' ? id : '';
}

/** Made when it is first asked for: most requests say nothing but their own line. Keeps nothing of the request but these words. */
export function lazyLog(logger: Logger, words: Readonly<Record<string, string>>): () => Logger {
  let log: Logger | undefined;
  return () => (log ??= logger.child(words));
}

export function createRequestLog(logger: Logger): RequestHandler {
  return (req, res, next) => {
    const started = Date.now();
    // A caller's id is not taken over: it could be made to collide, or to say something else in our logs.
    const id = randomUUID();
    res.setHeader(HEADER, id);
    Object.defineProperty(req, 'log', { get: lazyLog(logger, { reqId: id }) });
    // Probes every few seconds would drown the rest. Express changes the address while it looks for a route.
    const { method, originalUrl: url } = req;
    if (url !== '/healthz' && url !== '/readyz')
      res.once('close', () => writeLine(logger, res, { id, method, url, started }));
    next();
  };
}

type Line = Pick<IncomingMessage, 'method' | 'url'> & { id: string; url: string; started: number };

function writeLine(logger: Logger, res: Response, { id, method, url, started }: Line): void {
  const level = res.statusCode >= 500 ? 'error' : 'info';
  if (!logger.isLevelEnabled(level)) return;
  const line = {
    req: { id, method, url: redactUrl(url) },
    ...(res.locals['ids'] as object | undefined),
    res: { status: res.statusCode },
    responseTime: Date.now() - started,
  };
  logger[level](line, res.writableFinished ? 'request completed' : 'request aborted');
}
