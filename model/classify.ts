/**
 * Turns whatever a request to the model ended in, short of an answer, into a ModelFailure. Total: there is no error that
 * it passes on. It reads codes and headers, never texts, for texts quote prompts and keys. Its tables are in
 * docs/classification.md.
 */
import { APIConnectionTimeoutError, APIError } from 'openai';
import { readRetryAfter } from '../domain/retry-after.ts';
import { ModelFailure, type ModelFailureKind } from './failure.ts';
import { ResponseTooLarge } from './guarded-fetch.ts';
import { isRecord } from './untrusted.ts';

/** Error codes (or types) of a 4xx whose meaning is stronger than that of the status they come with. */
export const KIND_OF_CODE: Readonly<Record<string, ModelFailureKind>> = {
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
  content_filter: 'refused',
  content_policy_violation: 'refused',
  rate_limit_exceeded: 'rate_limited',
};

type StatusRow = {
  /** Inclusive. */
  readonly from: number;
  readonly to: number;
  /** The body is a web page: something between us and the model answered. */
  readonly isPage?: true;
  readonly kind: ModelFailureKind;
};
const status = (code: number, kind: ModelFailureKind): StatusRow => ({ from: code, to: code, kind });
const page = (code: number): StatusRow => ({ ...status(code, 'unavailable'), isPage: true });

/** The first row that fits counts. */
export const STATUS_ROWS: readonly StatusRow[] = [
  { from: 0, to: 299, kind: 'transient' },
  // Moved for good: a wrong address. Redirects are never followed: prompts and key go to the configured host only.
  status(301, 'config'),
  status(308, 'config'),
  { from: 300, to: 399, kind: 'transient' },
  // A proxy's or an ingress' word, as in many an outage.
  ...[401, 403, 404, 405, 410, 451].map(page),
  status(408, 'transient'),
  status(409, 'transient'),
  status(425, 'transient'),
  status(429, 'rate_limited'),
  status(460, 'transient'),
  status(499, 'transient'),
  ...[401, 402, 403, 404, 405, 407, 410, 451].map((code) => status(code, 'config')),
  { from: 400, to: 499, kind: 'bad_request' },
  { from: 500, to: 999, kind: 'transient' },
];

/** The kind of an HTTP answer that is not 2xx. No code of a 5xx is believed: an outage must not end a run. */
export function kindOfHttp(
  status: number,
  codes: readonly (string | null)[],
  isPage = false,
): ModelFailureKind {
  if (status >= 400 && status < 500) {
    for (const code of codes) {
      if (code !== null && Object.hasOwn(KIND_OF_CODE, code)) return KIND_OF_CODE[code] ?? 'bad_request';
    }
  }
  const row = STATUS_ROWS.find(
    ({ from, to, isPage: ofPage }) => from <= status && status <= to && (isPage || ofPage !== true),
  );
  return row?.kind ?? 'transient';
}

/** An error that came with status 200, as gateways in front of several models send it: `{error: {code, type}}`. */
export function failureOfErrorBody(error: unknown): ModelFailure {
  const body = isRecord(error) ? error : {};
  const code = safeCode(body['code']);
  const type = safeCode(body['type']);
  // The provider's own status stands in `code`; without one, what it says by name is all there is.
  const named = /^[45]\d\d$/.test(code ?? '') ? Number(code) : 0;
  const isNamed = [code, type].some((name) => name !== null && Object.hasOwn(KIND_OF_CODE, name));
  return new ModelFailure(`the model answered 200 with an error${code === null ? '' : ` (${code})`}`, {
    kind: kindOfHttp(named === 0 && isNamed ? 400 : named, [code, type]),
    httpStatus: 200,
    code: code ?? type,
  });
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
      kind: 'transient',
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
  const isPage = /\bhtml\b/i.test(error.headers?.get('content-type') ?? '');
  const kind = kindOfHttp(error.status, [code, type], isPage);
  const named = code ?? type;
  return new ModelFailure(`the model answered HTTP ${error.status}${named === null ? '' : ` (${named})`}`, {
    kind,
    httpStatus: error.status,
    code: named,
    retryAfterMs: readRetryAfter((name) => error.headers?.get(name) ?? null, now),
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
