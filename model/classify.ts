/**
 * Turns whatever a request to the model ended in, short of an answer, into a ModelFailure. Total: there is no error that
 * it passes on. It reads codes and headers, never texts, for texts quote prompts and keys.
 */
import { APIConnectionTimeoutError, APIError } from 'openai';
import { ModelFailure, type ModelFailureKind } from './failure.ts';
import { ResponseTooLarge } from './guarded-fetch.ts';
import { readRetryAfter } from './retry-after.ts';

/** Error codes whose meaning is stronger than that of the HTTP status they come with. */
const KIND_OF_CODE: Readonly<Record<string, ModelFailureKind>> = {
  // Comes as 429, but no wait cures an empty account.
  insufficient_quota: 'config',
  billing_hard_limit_reached: 'config',
  billing_not_active: 'config',
  account_deactivated: 'config',
  access_terminated: 'config',
  invalid_api_key: 'config',
  model_not_found: 'config',
  invalid_model: 'config',
  unsupported_country_region_territory: 'config',
  context_length_exceeded: 'bad_request',
  content_policy_violation: 'bad_request',
  rate_limit_exceeded: 'rate_limited',
};

const KIND_OF_STATUS: Readonly<Record<number, ModelFailureKind>> = {
  401: 'config',
  402: 'config',
  403: 'config',
  404: 'config',
  405: 'config',
  407: 'config',
  408: 'transient',
  409: 'transient',
  410: 'config',
  425: 'transient',
  429: 'rate_limited',
};

/** The kind of an HTTP answer that is not 2xx. A redirect is `config`: prompts and key go to the configured host only. */
export function kindOfHttp(status: number, codes: readonly (string | null)[]): ModelFailureKind {
  for (const code of codes) {
    const kind = code === null ? undefined : KIND_OF_CODE[code];
    if (kind) return kind;
  }
  const kind = KIND_OF_STATUS[status];
  if (kind) return kind;
  if (status >= 500) return 'transient';
  if (status >= 400) return 'bad_request';
  return status >= 300 ? 'config' : 'bad_answer';
}

/** Failures before the first byte of the request could leave. */
const NOT_SENT_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** The failure for anything that the SDK threw. `timedOut`: our own deadline had passed. */
export function classify(error: unknown, context: { timedOut: boolean; now: number }): ModelFailure {
  if (error instanceof ModelFailure) return error;
  const tooLarge = findCause(error, (cause) => cause instanceof ResponseTooLarge);
  if (tooLarge)
    return new ModelFailure('the model sent more than is read', { kind: 'bad_answer', code: 'too_large' });
  if (error instanceof APIError && typeof error.status === 'number') return classifyHttp(error, context.now);
  if (context.timedOut || error instanceof APIConnectionTimeoutError) {
    return new ModelFailure('the model did not answer in time', { kind: 'transient', code: 'timeout' });
  }
  // JSON.parse inside the SDK; its text quotes the body, so it is not passed on.
  if (error instanceof SyntaxError) {
    return new ModelFailure('the model sent something that is not JSON', {
      kind: 'bad_answer',
      code: 'invalid_json',
    });
  }
  const code = networkCode(error);
  return code !== null && NOT_SENT_CODES.has(code)
    ? new ModelFailure(`the model cannot be reached (${code})`, { kind: 'unavailable', code })
    : new ModelFailure(`the request to the model broke off${code === null ? '' : ` (${code})`}`, {
        kind: 'transient',
        code,
      });
}

function classifyHttp(error: APIError & { status: number }, now: number): ModelFailure {
  const code = safeCode(error.code);
  const type = safeCode(error.type);
  const kind = kindOfHttp(error.status, [code, type]);
  const named = code ?? type;
  return new ModelFailure(`the model answered HTTP ${error.status}${named === null ? '' : ` (${named})`}`, {
    kind,
    httpStatus: error.status,
    code: named,
    retryAfterMs: readRetryAfter(error.headers, now),
    requestId: safeCode(error.requestID),
  });
}

/** A provider's code, when it looks like one: anything longer or with other characters may be a text or a key. */
function safeCode(value: unknown): string | null {
  const text = typeof value === 'number' ? String(value) : value;
  return typeof text === 'string' && /^[A-Za-z0-9_.-]{1,64}$/.test(text) && !text.startsWith('sk-')
    ? text
    : null;
}

function networkCode(error: unknown): string | null {
  const coded = findCause(error, (cause) => typeof (cause as { code?: unknown }).code === 'string');
  return coded === null ? null : safeCode((coded as { code?: unknown }).code);
}

/** Walks `cause` and, for an AggregateError, its first error. Five deep: SDK, fetch, undici, socket and one to spare. */
function findCause(error: unknown, matches: (cause: object) => boolean): object | null {
  let current: unknown = error;
  for (let depth = 0; depth < 5 && typeof current === 'object' && current !== null; depth += 1) {
    if (matches(current)) return current;
    const { cause, errors } = current as { cause?: unknown; errors?: unknown };
    current = cause ?? (Array.isArray(errors) ? (errors[0] as unknown) : undefined);
  }
  return null;
}
