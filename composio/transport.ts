/**
 * The one place from which bytes leave for Composio, for the reader (client.ts) and for composio-core (v3-bridge.ts).
 * It knows HTTP and nothing of Composio's answers. It may contact the configured base URL and no other host, follows no
 * redirect, and ends at its own deadline whatever the server does.
 */
import { randomUUID } from 'node:crypto';
import type { RequestClass } from '../domain/request-budget.ts';
import { readRetryAfter } from '../domain/retry-after.ts';
import { type AnswerHeaders, type HttpAnswer, exchangeHttp } from '../net/http-exchange.ts';
import type { RequestBudget } from './request-budget.ts';

/** Larger answers are not read: the contract promises tool results to 50 MB, and one process holds several at a time. */
export const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** Larger requests are not sent; arguments come from a model, whose whole answer is a fraction of this. */
export const MAX_REQUEST_BYTES = 64 * 1024 * 1024;
/** An error answer says which error it is in its first few hundred bytes; the rest is not worth memory. */
const MAX_ERROR_ANSWER_BYTES = 256 * 1024;

export type WireRequest = {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below the API root, starting with a slash, segments encoded by `pathSegment`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** JSON text. */
  readonly body?: string;
  /** Further headers; the key, the content type and, unless given, a request id are added. */
  readonly headers?: Readonly<Record<string, string>>;
  /** From the moment the request leaves to the last byte of its answer, milliseconds. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Awaited as the last thing before the request leaves; when it throws, nothing is sent and a `BeforeSendError` carries what it threw. */
  readonly beforeSend?: (() => Promise<void>) | undefined;
};

export type WireAnswer = {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly text: string;
  readonly requestId: string;
};

/** Why there is no answer. `sent: false` is a proof that no byte of the request reached Composio. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly reason: 'aborted' | 'deadline' | 'unreachable' | 'broken' | 'too_large' | 'refused';
  readonly sent: boolean;

  constructor(
    message: string,
    details: { reason: TransportError['reason']; sent: boolean; cause?: unknown },
  ) {
    super(message, { cause: details.cause });
    this.reason = details.reason;
    this.sent = details.sent;
  }
}

/** Carries what `beforeSend` threw, untouched, past code that would wrap or decorate it. */
export class BeforeSendError extends Error {
  override readonly name = 'BeforeSendError';
  readonly thrown: unknown;

  constructor(thrown: unknown) {
    super('not sent: the caller refused at the last moment');
    this.thrown = thrown;
  }
}

export type Transport = {
  /** The configured base URL without a trailing slash. */
  readonly baseUrl: string;
  /** @throws TransportError, BeforeSendError, ComposioFailure when there is no permit. Any HTTP status is an answer. */
  send(request: WireRequest): Promise<WireAnswer>;
};

/** One path segment. Refuses what a URL parser would read as a step to another path: `..` would turn one call into another. */
export function pathSegment(text: string): string {
  if (text === '' || text === '.' || text === '..') throw new RangeError('not a path segment');
  return encodeURIComponent(text);
}

export type TransportConfig = {
  readonly apiKey: string;
  readonly baseUrl: string;
  /** Null: nobody counts. */
  readonly budget?: RequestBudget | null;
  /** As what the requests of this transport are counted. */
  readonly requestClass?: RequestClass;
};

export function createTransport(config: TransportConfig): Transport {
  const { apiKey, baseUrl, budget = null, requestClass = 'runs' } = config;
  const base = normaliseBaseUrl(baseUrl);
  if (apiKey === '') throw new RangeError('a Composio API key is needed');
  const root = new URL(`${base}/api/v3.1`);

  function urlOf(request: WireRequest): URL {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) query.set(name, value);
    }
    // Put together once: each parameter that is set on a URL writes the whole address anew.
    const url = new URL(
      query.size === 0 ? root.href + request.path : `${root.href}${request.path}?${query.toString()}`,
    );
    if (url.origin !== root.origin || !url.pathname.startsWith(`${root.pathname}/`)) {
      throw new TransportError('refused: not an address of the configured Composio API', {
        reason: 'refused',
        sent: false,
      });
    }
    return url;
  }

  return {
    baseUrl: base,
    async send(request) {
      const url = urlOf(request);
      if (request.body !== undefined && Buffer.byteLength(request.body) > MAX_REQUEST_BYTES) {
        throw new TransportError('refused: the request is too large', { reason: 'refused', sent: false });
      }
      refuseAborted(request.signal);
      // Before the caller's hook: what that writes down must not wait for a turn.
      const permit = budget?.take(requestClass, request.signal);
      if (permit) await permit;
      await passGate(request);
      const answer = await exchange(url, apiKey, request);
      if (answer.status === 429) {
        budget?.pause(readRetryAfter((name) => answer.headers.get(name), Date.now()));
      }
      return answer;
    },
  };
}

/** The last thing before a request leaves: the caller's own hook, and a look at whether the caller still wants it. */
async function passGate({ beforeSend, signal }: WireRequest): Promise<void> {
  refuseAborted(signal);
  if (!beforeSend) return;
  try {
    await beforeSend();
  } catch (thrown) {
    throw new BeforeSendError(thrown);
  }
  refuseAborted(signal);
}

function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new TransportError('not sent: the caller gave up', {
      reason: 'aborted',
      sent: false,
      cause: signal.reason,
    });
  }
}

async function exchange(url: URL, apiKey: string, request: WireRequest): Promise<WireAnswer> {
  const requestId = request.headers?.['x-request-id'] ?? randomUUID();
  const headers: Record<string, string> = {
    ...request.headers,
    'x-api-key': apiKey,
    'x-request-id': requestId,
    accept: 'application/json',
  };
  if (request.body !== undefined) headers['content-type'] = 'application/json';
  // Own controller and timer instead of AbortSignal.any/timeout: both are released the moment the exchange ends.
  const controller = new AbortController();
  const onAbort = (): void => controller.abort();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    controller.abort();
  }, request.timeoutMs);
  request.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const { method, body = null } = request;
    const answer = await exchangeHttp(url, { method, headers, body, signal: controller.signal });
    const text = await readBody(answer);
    return { status: answer.status, headers: answer.headers, text, requestId };
  } catch (error) {
    throw toTransportError(error, { timedOut, aborted: request.signal?.aborted ?? false });
  } finally {
    clearTimeout(timer);
    request.signal?.removeEventListener('abort', onAbort);
  }
}

/** An error answer whose body breaks off is still that error: its status decides, and an empty body stands for the rest. */
async function readBody(answer: HttpAnswer): Promise<string> {
  if (answer.status >= 200 && answer.status < 300) {
    const text = await answer.text(MAX_ANSWER_BYTES);
    if (text !== null) return text;
    throw new TransportError(`the answer is larger than ${String(MAX_ANSWER_BYTES)} bytes`, {
      reason: 'too_large',
      sent: true,
    });
  }
  try {
    return (await answer.text(MAX_ERROR_ANSWER_BYTES)) ?? '';
  } catch {
    return '';
  }
}

function toTransportError(error: unknown, how: { timedOut: boolean; aborted: boolean }): TransportError {
  if (error instanceof TransportError) return error;
  if (how.timedOut) {
    return new TransportError('no complete answer before the deadline', { reason: 'deadline', sent: true });
  }
  if (how.aborted) {
    return new TransportError('the caller gave up while the request was under way', {
      reason: 'aborted',
      sent: true,
    });
  }
  const code = unsentCode(error);
  if (code !== null) {
    return new TransportError(`Composio cannot be reached (${code})`, {
      reason: 'unreachable',
      sent: false,
      cause: error,
    });
  }
  return new TransportError('the connection broke before the answer was complete', {
    reason: 'broken',
    sent: true,
    cause: error,
  });
}

/** Codes that only a connection attempt can have: name look-up, TCP and TLS set-up come before the first byte of a request. */
const UNSENT_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'ERR_SSL_WRONG_VERSION_NUMBER',
]);

/** The code when the error proves that nothing was sent, else null. Several attempts come in an AggregateError. */
function unsentCode(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if (error instanceof AggregateError && error.errors.length > 0) {
    const codes = error.errors.map(unsentCode);
    return codes.every((code) => code !== null) ? (codes[0] ?? null) : null;
  }
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (typeof code === 'string' && (UNSENT_CODES.has(code) || syscall === 'connect')) return code;
  // Node's only sign of a handshake that was cut: an ordinary reset with this text.
  if (code === 'ECONNRESET' && error.message.includes('before secure TLS connection was established'))
    return code;
  return error.cause === undefined ? null : unsentCode(error.cause);
}

/** Accepts the address with or without an API version at its end; the version is ours to say. */
function normaliseBaseUrl(baseUrl: string): string {
  const url = new URL(baseUrl);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new RangeError('the Composio base URL must be http(s)');
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new RangeError('the Composio base URL must be an origin and a path');
  }
  return (url.origin + url.pathname).replace(/\/+$/, '').replace(/\/api(\/v\d+(\.\d+)?)?$/, '');
}
