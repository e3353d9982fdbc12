/**
 * The one table from what Composio answered, or did not answer, to a ComposioFailure. Pure; sends nothing.
 * Its rule for anything it does not know: a read may be repeated, an effect may have happened.
 */
import type { ComposioFailureKind, EffectOutcome } from './failure.ts';
import { ComposioFailure } from './failure.ts';
import type { WireAnswer } from './transport.ts';
import { TransportError } from './transport.ts';

/** What the request would do: `read` nothing, `effect` something at Composio, `execute` something at the provider. */
export type Purpose = 'read' | 'effect' | 'execute';

/** What an error body says, wherever it says it: `{error: {code, slug, message}}`, `{error: "text"}` or `{message}`. */
export type ErrorBody = {
  readonly code: number | null;
  readonly slug: string;
  readonly message: string;
  readonly requestId: string | null;
};

/** Enough for a reason; an error body may quote whole arguments. */
const MAX_MESSAGE_CHARS = 500;
/** A wrong header must not park a run for days; Composio's own windows are 1 and 10 minutes. */
const MAX_RETRY_AFTER_MS = 3_600_000;

export function readErrorBody(text: string): ErrorBody {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return { code: null, slug: '', message: '', requestId: null };
  }
  const outer = asRecord(body);
  const inner = typeof outer.error === 'object' ? asRecord(outer.error) : outer;
  const code = Number(inner.code ?? inner.error_code ?? Number.NaN);
  const message = typeof outer.error === 'string' ? outer.error : inner.message;
  return {
    code: Number.isInteger(code) ? code : null,
    slug: typeof inner.slug === 'string' ? inner.slug : '',
    message: typeof message === 'string' ? message.slice(0, MAX_MESSAGE_CHARS) : '',
    requestId: typeof inner.request_id === 'string' ? inner.request_id : null,
  };
}

type Verdict = { readonly kind: ComposioFailureKind; readonly outcome: EffectOutcome };

/** Composio's own codes and slugs, which say more than the status. Each is an answer that nothing was executed. */
const NAMED: readonly { codes: readonly number[]; slug: RegExp; kind: ComposioFailureKind }[] = [
  { codes: [1820], slug: /ConnectedAccountExpired$/, kind: 'connection_expired' },
  { codes: [1811, 1812], slug: /(UserIdRequired|EntityIdMismatch)$/, kind: 'tenant_violation' },
  {
    codes: [1803, 1810, 4302],
    slug: /(ConnectedAccountNotFound|NoActiveConnection)$/,
    kind: 'not_connected',
  },
];

function namedKind(body: ErrorBody): ComposioFailureKind | null {
  const row = NAMED.find(
    (r) => (body.code !== null && r.codes.includes(body.code)) || r.slug.test(body.slug),
  );
  return row?.kind ?? null;
}

function verdictOf(status: number, body: ErrorBody, purpose: Purpose): Verdict {
  const rejected = (kind: ComposioFailureKind): Verdict => ({ kind, outcome: 'rejected' });
  const doubtful: Verdict = { kind: 'transient', outcome: purpose === 'read' ? 'rejected' : 'unknown' };
  if (status < 400) return purpose === 'read' ? rejected(status >= 300 ? 'config' : 'transient') : doubtful;
  if (status >= 500 || status === 408 || status === 409) return doubtful;
  if (status === 429) return rejected('rate_limited');
  const named = namedKind(body);
  if (named) return rejected(named);
  switch (status) {
    case 401:
    case 403:
      return rejected('config');
    case 400:
    case 422:
      return rejected(purpose === 'execute' ? 'invalid_arguments' : 'rejected');
    case 404:
      return rejected(purpose === 'execute' ? 'tool_not_found' : 'rejected');
    case 410:
      // 410 means two things: the whole API is gone (v1/v2), or one account has expired.
      if (/upgrade to v3|no longer available/i.test(body.message)) return rejected('api_retired');
      return rejected(/expired/i.test(body.message) ? 'connection_expired' : 'rejected');
    default:
      return rejected('rejected');
  }
}

/** An answer outside 2xx as the failure that it is. */
export function classifyAnswer(
  answer: WireAnswer,
  purpose: Purpose,
  now: number = Date.now(),
): ComposioFailure {
  const body = readErrorBody(answer.text);
  const { kind, outcome } = verdictOf(answer.status, body, purpose);
  return new ComposioFailure(
    `Composio answered ${String(answer.status)}${body.message ? `: ${body.message}` : ''}`,
    {
      kind,
      outcome,
      httpStatus: answer.status,
      code: body.code,
      retryAfterMs: parseRetryAfter(answer.headers.get('retry-after'), now),
      requestId: body.requestId ?? answer.headers.get('x-request-id') ?? answer.requestId,
    },
  );
}

/** A 2xx answer that is not what it should be: the work was probably done, and what came of it cannot be read. */
export function unreadableAnswer(answer: WireAnswer, purpose: Purpose, cause?: unknown): ComposioFailure {
  return new ComposioFailure(`Composio answered ${String(answer.status)} with a body that cannot be read`, {
    kind: 'transient',
    outcome: purpose === 'read' ? 'rejected' : 'unknown',
    httpStatus: answer.status,
    requestId: answer.headers.get('x-request-id') ?? answer.requestId,
    cause,
  });
}

/** No answer. Whether the request left decides what may have happened. */
export function classifyTransportError(error: unknown, purpose: Purpose): ComposioFailure {
  if (error instanceof ComposioFailure) return error;
  if (!(error instanceof TransportError)) {
    return new ComposioFailure('the request to Composio failed in a way that is not known', {
      kind: 'transient',
      outcome: purpose === 'read' ? 'not_sent' : 'unknown',
      cause: error,
    });
  }
  const outcome: EffectOutcome = error.sent && purpose !== 'read' ? 'unknown' : 'not_sent';
  return new ComposioFailure(error.message, { kind: kindOfTransportError(error), outcome, cause: error });
}

function kindOfTransportError({ reason, sent }: TransportError): ComposioFailureKind {
  if (reason === 'aborted') return sent ? 'transient' : 'unavailable';
  return KIND_OF_REASON[reason];
}

const KIND_OF_REASON = {
  unreachable: 'unavailable',
  deadline: 'transient',
  broken: 'transient',
  too_large: 'too_large',
  refused: 'rejected',
} as const satisfies Record<Exclude<TransportError['reason'], 'aborted'>, ComposioFailureKind>;

/** Milliseconds to wait, from seconds or an HTTP date; null when the header is absent or not readable. */
export function parseRetryAfter(header: string | null, now: number): number | null {
  const text = header?.trim() ?? '';
  const isSeconds = /^\d+(\.\d+)?$/.test(text);
  // Date.parse reads more than dates ("-5" is a year to it); an HTTP date starts with the day's name.
  if (!isSeconds && !/^[A-Za-z]{3}/.test(text)) return null;
  const ms = isSeconds ? Math.ceil(Number(text) * 1_000) : Date.parse(text) - now;
  return Number.isNaN(ms) ? null : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS);
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
