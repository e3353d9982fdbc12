/**
 * One POST to the integrator's receiver, signed as Standard Webhooks has it. Only the status counts: the answer's body is
 * thrown away, a redirect is a failure. The URL is the operator's, so any host. Not `fetch`: it refuses some ports, and URLs
 * with a login.
 */
import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  request as httpRequest,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { Webhook } from 'standardwebhooks';
import { readRetryAfter } from '../domain/retry-after.ts';

export type Receiver = { readonly url: string; readonly secret: string };
export type Answer = {
  /** Null when there was no answer. */
  readonly httpStatus: number | null;
  /** What went wrong, without content of the answer; null for 2xx. */
  readonly error: string | null;
  readonly retryAfterMs: number | null;
};
export type Post = (
  receiver: Receiver,
  /** `at`: what the signature says when it was made. */
  notice: { readonly id: string; readonly body: string; readonly at: Date },
) => Promise<Answer>;

/** From the look-up of the name to the answer's status. Standard Webhooks: 15 to 30 s. */
const TIMEOUT_MS = 20_000;
/** Connections to the receiver at once; as many attempts as a worker makes (worker/create-worker.ts). */
const MAX_SOCKETS = 20;
/** A body is read so that its connection can be used again; one that is larger, or slower, costs the connection. */
const MAX_BODY_BYTES = 64 * 1024;
const MAX_BODY_MS = 1_000;

/** Keeps connections open between notices, and nothing of a notice. `timeoutMs` is for tests. */
export function createPost(timeoutMs: number = TIMEOUT_MS): Post {
  const options = { keepAlive: true, maxSockets: MAX_SOCKETS };
  const agents = { 'http:': new HttpAgent(options), 'https:': new HttpsAgent(options) };
  return async (receiver, { id, body, at }) => {
    const url = new URL(receiver.url);
    const settings = {
      method: 'POST',
      headers: { ...sign(receiver.secret, { id, body, at }), 'content-length': Buffer.byteLength(body) },
      signal: AbortSignal.timeout(timeoutMs),
    };
    const send = (): ClientRequest =>
      url.protocol === 'https:'
        ? httpsRequest(url, { ...settings, agent: agents['https:'] })
        : httpRequest(url, { ...settings, agent: agents['http:'] });
    try {
      const request = send();
      const response = await answerOf(request, body).catch((error: unknown) => {
        // A kept connection that the receiver had closed meanwhile says nothing about the receiver.
        if (request.reusedSocket && isClosed(error)) return answerOf(send(), body);
        throw error;
      });
      return readAnswer(response);
    } catch (error) {
      return { httpStatus: null, error: nameOf(error), retryAfterMs: null };
    }
  };
}

function isClosed(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === 'ECONNRESET' || code === 'EPIPE';
}

/** The same for the same second: the signature covers id, time and body. */
function sign(
  secret: string,
  { id, body, at }: { id: string; body: string; at: Date },
): Record<string, string> {
  return {
    'content-type': 'application/json',
    'user-agent': 'bellhop',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': signerOf(secret).sign(id, at, body),
  };
}

/** The standard's secrets are base64, with or without `whsec_`; any other text is used as it is. */
function signerOf(secret: string): Webhook {
  return /^(whsec_)?[A-Za-z0-9+/]+={0,2}$/.test(secret)
    ? new Webhook(secret)
    : new Webhook(secret, { format: 'raw' });
}

async function answerOf(request: ClientRequest, body: string): Promise<IncomingMessage> {
  return new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    // Stays after the answer: what happens to its connection then changes nothing.
    request.on('error', reject);
    request.end(body);
  });
}

function readAnswer(response: IncomingMessage): Answer {
  discard(response);
  const status = response.statusCode ?? 0;
  const header = (name: string): string | null => {
    const value = response.headers[name];
    return typeof value === 'string' ? value : null;
  };
  return {
    httpStatus: status,
    error: status >= 200 && status < 300 ? null : `HTTP ${String(status)}`,
    retryAfterMs: readRetryAfter(header, Date.now()),
  };
}

function discard(response: IncomingMessage): void {
  let bytes = 0;
  const cut = setTimeout(() => response.destroy(), MAX_BODY_MS).unref();
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) response.destroy();
  });
  response.on('error', () => undefined);
  response.once('close', () => clearTimeout(cut));
}

/** `ECONNREFUSED`, `ENOTFOUND`, a TLS error's code, `timeout`. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'Error';
  const { code } = error as { code?: unknown };
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'timeout';
  return typeof code === 'string' && /^\w{2,60}$/.test(code) ? code : error.name;
}
