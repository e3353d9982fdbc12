/** Reading bodies from and writing answers to node:http. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { badRequest, WireError } from './wire-error.ts';

// Larger than any argument a model can write; a bulk of seeded accounts comes through the control API, which allows more.
export const MAX_API_BODY = 8 * 1024 * 1024;
export const MAX_CONTROL_BODY = 256 * 1024 * 1024;

/** The whole body as text. @throws WireError 413 above `maxBytes`. Rejects when the client goes away. */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxBytes) chunks.push(chunk);
    });
    request.on('end', () => {
      if (length <= maxBytes) resolve(Buffer.concat(chunks).toString('utf8'));
      else
        reject(new WireError('Payload too large', { status: 413, code: 413, slug: 'HTTP_PayloadTooLarge' }));
    });
    request.on('error', reject);
    request.on('close', () => reject(new Error('the client went away')));
  });
}

/** @throws WireError 400 when it is not JSON. An empty body is an empty object. */
export function parseJson(text: string): unknown {
  if (text === '') return {};
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw badRequest('The request body is not valid JSON');
  }
}

export type Headers = Readonly<Record<string, string>>;

export function send(
  response: ServerResponse,
  answer: {
    readonly status: number;
    readonly body: string;
    readonly headers?: Headers;
    readonly type?: string;
  },
): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(answer.status, {
    ...answer.headers,
    'Content-Type': answer.type ?? 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(answer.body),
  });
  response.end(answer.body);
}

/** Cuts the connection so that the client sees a reset, not an orderly end. */
export function cut(response: ServerResponse): void {
  const { socket } = response;
  if (socket && 'resetAndDestroy' in socket) socket.resetAndDestroy();
  else response.destroy();
}

/** Resolves after `ms`, or when `signal` aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
