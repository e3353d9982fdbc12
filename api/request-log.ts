/** One line per request with an id of our own making, which is also the `instance` of problems and the X-Request-Id header. */
import { randomUUID } from 'node:crypto';
import type { RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import { pinoHttp } from 'pino-http';
import { redactUrl, serializeError } from './logger.ts';

const HEADER = 'x-request-id';

export function requestIdOf(res: Response): string {
  const id = res.getHeader(HEADER);
  return typeof id === 'string' ? id : '';
}

export function createRequestLog(logger: Logger): RequestHandler {
  return pinoHttp({
    logger,
    // A caller's id is not taken over: it could be made to collide, or to say something else in our logs.
    genReqId: (_req, res) => {
      const id = randomUUID();
      res.setHeader(HEADER, id);
      return id;
    },
    // Probes every few seconds would drown the rest.
    autoLogging: { ignore: (req) => req.url === '/healthz' || req.url === '/readyz' },
    customLogLevel: (_req, res, error) => (error || res.statusCode >= 500 ? 'error' : 'info'),
    quietReqLogger: true,
    // Called before the request is read too, when nothing is known of it yet.
    customProps: (_req, res) => (res as { locals?: Record<string, object> }).locals?.['ids'] ?? {},
    serializers: {
      // Else pino-http's own takes the place of ours, and writes all that hangs on an error: requests with their headers, answers.
      err: ({ raw }: { raw: unknown }) => serializeError(raw),
      req: (req: { id: string; method: string; url: string }) => ({
        id: req.id,
        method: req.method,
        url: redactUrl(req.url),
      }),
      res: (res: { statusCode: number }) => ({ status: res.statusCode }),
    },
  });
}
