/**
 * The one place where what Composio answered, or did not answer, becomes a ComposioFailure. Two tables decide; the code
 * below them only looks up. Pure; sends nothing. Its rule for anything it does not know: a read may be repeated, an effect
 * may have happened. docs/classification.md is made of these tables.
 */
import { readRetryAfter } from '../domain/retry-after.ts';
import type { ComposioFailureKind, EffectOutcome } from './failure.ts';
import { ComposioFailure } from './failure.ts';
import type { WireAnswer } from './transport.ts';
import { TransportError } from './transport.ts';

/** What the request would do: `read` nothing, `effect` something at Composio, `execute` something at the provider. */
export const PURPOSES = ['read', 'effect', 'execute'] as const;
export type Purpose = (typeof PURPOSES)[number];

/** What an error body says, wherever it says it: `{error: {code, slug, message}}`, `{error: "text"}` or `{message}`. */
export type ErrorBody = {
  readonly code: number | null;
  readonly slug: string;
  readonly message: string;
  readonly requestId: string | null;
};

export type FailureVerdict = { readonly kind: ComposioFailureKind; readonly outcome: EffectOutcome };

/** One signal of an answer outside 2xx. All that is given must fit; the first row that fits counts. */
export type AnswerRow = {
  /** Statuses or inclusive ranges of them. */
  readonly statuses: readonly (number | readonly [number, number])[];
  /** Composio's own names, which say more than the status: one of them must be in the body. */
  readonly named?: {
    readonly codes?: readonly number[];
    readonly slug?: RegExp;
    readonly message?: RegExp;
  };
  /** The body is a web page: something between us and Composio answered. */
  readonly isPage?: true;
  readonly verdicts: Readonly<Record<Purpose, FailureVerdict>>;
  readonly why: string;
};

/** Composio, or what stands before it, says that it did not do it. */
const refused = (kind: ComposioFailureKind): AnswerRow['verdicts'] => ({
  read: { kind, outcome: 'rejected' },
  effect: { kind, outcome: 'rejected' },
  execute: { kind, outcome: 'rejected' },
});
/** Refused, and for an execution that has a name of its own. */
const refusedExecution = (kind: ComposioFailureKind): AnswerRow['verdicts'] => ({
  ...refused('rejected'),
  execute: { kind, outcome: 'rejected' },
});
/** No proof that nothing was done. */
const doubtful = (ofRead: ComposioFailureKind = 'transient'): AnswerRow['verdicts'] => ({
  read: { kind: ofRead, outcome: 'rejected' },
  effect: { kind: 'transient', outcome: 'unknown' },
  execute: { kind: 'transient', outcome: 'unknown' },
});

const CLIENT_ERRORS = [[400, 499]] as const;
/** Statuses that say who may ask for what. From a web page they are a proxy's or an ingress' word, as in many an outage. */
const ACCESS = [401, 403, 404, 405, 410, 421, 451] as const;

export const ANSWER_ROWS: readonly AnswerRow[] = [
  {
    statuses: [[0, 299]],
    verdicts: doubtful(),
    why: 'A success, or nothing final, without a readable answer.',
  },
  {
    statuses: [301, 308],
    verdicts: doubtful('config'),
    why: 'Moved for good: a wrong address. Redirects are never followed, for the key goes to the configured host only.',
  },
  {
    statuses: [[300, 399]],
    verdicts: doubtful(),
    why: 'A redirect for now: a sign-in or maintenance page in between.',
  },
  {
    statuses: [429],
    verdicts: refused('rate_limited'),
    why: 'Counted and not executed; Retry-After says when to come again.',
  },
  { statuses: [425], verdicts: refused('unavailable'), why: 'Refused because it might have been a replay.' },
  {
    statuses: [408, 409, 460, 499, [500, 999]],
    verdicts: doubtful(),
    why: 'The server or something before it gave up. No code in the body is trusted: the answer that was lost may have been a success.',
  },
  {
    statuses: CLIENT_ERRORS,
    named: {
      codes: [1820],
      slug: /ConnectedAccountExpired$/,
      message: /connected account\b.{0,80}\bin expired state/i,
    },
    verdicts: refused('connection_expired'),
    why: 'The account is EXPIRED.',
  },
  {
    statuses: CLIENT_ERRORS,
    named: {
      codes: [1811, 1812],
      slug: /(UserIdRequired|EntityIdRequired|EntityIdMismatch|UserIdMismatch)$/,
    },
    verdicts: refused('tenant_violation'),
    why: 'Entity and account do not belong together.',
  },
  {
    statuses: CLIENT_ERRORS,
    named: {
      codes: [1803, 1810, 4302],
      slug: /(ConnectedAccountNotFound|NoActiveConnection|ConnectedAccount(NotActive|Inactive|Disabled|Revoked|Failed))$/,
      message: /connected account\b.{0,80}\bin (inactive|failed|revoked|initiated|initializing) state/i,
    },
    verdicts: refused('not_connected'),
    why: 'There is no account that could act.',
  },
  {
    statuses: [410],
    named: { message: /upgrade to v3|no longer available/i },
    verdicts: refused('api_retired'),
    why: 'The v1/v2 API is gone: a wrong base URL or an unbridged SDK.',
  },
  {
    statuses: [410],
    named: { message: /expired/i },
    verdicts: refused('connection_expired'),
    why: 'The account is EXPIRED, in other words.',
  },
  {
    statuses: ACCESS,
    isPage: true,
    verdicts: refused('unavailable'),
    why: 'A web page instead of an API answer: something in between refuses for now.',
  },
  {
    statuses: [401, 402, 403, 407, 451],
    verdicts: refused('config'),
    why: 'Key, plan or permission: an operator must act.',
  },
  {
    statuses: [400, 413, 422],
    verdicts: refusedExecution('invalid_arguments'),
    why: 'The arguments do not fit; the model can mend them.',
  },
  { statuses: [404], verdicts: refusedExecution('tool_not_found'), why: 'There is no such tool or thing.' },
  { statuses: CLIENT_ERRORS, verdicts: refused('rejected'), why: 'Any other refusal.' },
];

/** Why there is no answer, by whether the request left. A request that left may have had its effect, whatever broke then. */
export const TRANSPORT_KINDS: Readonly<
  Record<
    TransportError['reason'],
    { readonly notSent: ComposioFailureKind; readonly sent: ComposioFailureKind }
  >
> = {
  unreachable: { notSent: 'unavailable', sent: 'transient' },
  deadline: { notSent: 'unavailable', sent: 'transient' },
  broken: { notSent: 'unavailable', sent: 'transient' },
  aborted: { notSent: 'unavailable', sent: 'transient' },
  too_large: { notSent: 'too_large', sent: 'too_large' },
  refused: { notSent: 'rejected', sent: 'transient' },
};

/** Enough for a reason; an error body may quote whole arguments. */
const MAX_MESSAGE_CHARS = 500;

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

/** The row that decides about an answer. Every status has one; the test that holds the table total would be the first to see else. */
export function rowOf(answer: WireAnswer): AnswerRow | undefined {
  const body = readErrorBody(answer.text);
  return ANSWER_ROWS.find((row) => fits(row, answer, body));
}

function fits({ statuses, named, isPage }: AnswerRow, answer: WireAnswer, body: ErrorBody): boolean {
  const { status } = answer;
  const isStatus = statuses.some((one) =>
    typeof one === 'number' ? one === status : one[0] <= status && status <= one[1],
  );
  if (!isStatus) return false;
  if (isPage && !isWebPage(answer)) return false;
  if (!named) return true;
  return (
    (body.code !== null && (named.codes?.includes(body.code) ?? false)) ||
    (named.slug?.test(body.slug) ?? false) ||
    (named.message?.test(body.message) ?? false)
  );
}

function isWebPage({ headers, text }: WireAnswer): boolean {
  return /\bhtml\b/i.test(headers.get('content-type') ?? '') || text.trimStart().startsWith('<');
}

/** An answer outside 2xx as the failure that it is. */
export function classifyAnswer(
  answer: WireAnswer,
  purpose: Purpose,
  now: number = Date.now(),
): ComposioFailure {
  const body = readErrorBody(answer.text);
  const { kind, outcome } = (rowOf(answer)?.verdicts ?? doubtful())[purpose];
  return new ComposioFailure(
    `Composio answered ${String(answer.status)}${body.message ? `: ${body.message}` : ''}`,
    {
      kind,
      outcome,
      httpStatus: answer.status,
      code: body.code,
      retryAfterMs: readRetryAfter((name) => answer.headers.get(name), now),
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
  const kind = TRANSPORT_KINDS[error.reason][error.sent ? 'sent' : 'notSent'];
  return new ComposioFailure(error.message, { kind, outcome, cause: error });
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
