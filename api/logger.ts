/**
 * Logs as JSON lines. A log line may name users, runs and routes; it may not hold a key, a cookie, a connect link or the
 * query of a callback, because whoever reads logs must not be able to act as anybody.
 */
import type { DestinationStream, Logger } from 'pino';
import pino from 'pino';
import { ComposioFailure } from '../composio/failure.ts';

export function createLogger(options: {
  level: string;
  name: string;
  destination?: DestinationStream;
}): Logger {
  return pino(
    {
      name: options.name,
      level: options.level,
      redact: {
        paths: [
          'authorization',
          'cookie',
          '*.authorization',
          '*.cookie',
          '*["set-cookie"]',
          '*.*.authorization',
          '*.*.cookie',
        ],
        censor: '[redacted]',
      },
      serializers: { err: serializeError },
    },
    options.destination ?? pino.destination(1),
  );
}

/**
 * Name, message, code and stack down the causes: an SDK's error also carries its request, with the key in its headers. What
 * a ComposioFailure and its causes say may quote what Composio, and through it a provider, answered, which is a user's
 * content: of them the kind, the status and the request's id, by which Composio finds the rest.
 */
export function serializeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  if (error instanceof ComposioFailure) {
    const { name, kind, outcome, httpStatus, code, requestId } = error;
    return { name, kind, outcome, httpStatus, code, requestId, stack: framesOf(error) };
  }
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    ...('code' in error ? { code: error.code } : {}),
    ...(error.cause === undefined ? {} : { cause: serializeError(error.cause) }),
  };
}

/** Where it happened, without the text: the text is the stack's head, and may itself have lines that look like frames. */
function framesOf({ stack = '', message }: Error): string {
  const head = stack.indexOf(message);
  return head === -1 ? '' : stack.slice(head + message.length).trimStart();
}

/** A URL that may be written down: the tokens of connect and portal links and the query of browser routes are secrets. */
export function redactUrl(url: string): string {
  const path = url.split('?', 1)[0] ?? '';
  const query = url.slice(path.length);
  // Case and encoding do not matter here: what does not look like a route of the API loses its query.
  const safePath = path.replace(/^(\/+(?:connect|portal\/+open)\/+)[^/]+/i, '$1[redacted]');
  if (query === '' || path.startsWith('/v1/')) return safePath + query;
  return `${safePath}?[redacted]`;
}
