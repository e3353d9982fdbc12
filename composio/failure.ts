/** The one error that leaves composio/. `kind` says what to do, `outcome` whether a side effect may have happened. */
export const COMPOSIO_FAILURE_KINDS = [
  /** Provably not sent, or Composio cannot be reached for a read: try again later. */
  'unavailable',
  /** 429: not executed, try again after `retryAfterMs`. */
  'rate_limited',
  /** 5xx, 408, reset, timeout, unreadable answer. */
  'transient',
  /** Arguments that do not fit: tell the model. */
  'invalid_arguments',
  'tool_not_found',
  /** No such account, or not connected: open a connect flow. */
  'not_connected',
  /** The account is in EXPIRED state: open a connect flow. */
  'connection_expired',
  /** Entity and account do not belong together. Never retried; an alarm. */
  'tenant_violation',
  /** Key or permission: an operator must act. */
  'config',
  /** The v1/v2 API answered 410: a wrong base URL or an unbridged SDK. */
  'api_retired',
  /** The answer is larger than we read. */
  'too_large',
  /** Any other 4xx. */
  'rejected',
] as const;
export type ComposioFailureKind = (typeof COMPOSIO_FAILURE_KINDS)[number];

/** `not_sent`: no effect. `rejected`: Composio answered that it did not do it. `unknown`: the request left and we cannot know. */
export type EffectOutcome = 'not_sent' | 'rejected' | 'unknown';

export class ComposioFailure extends Error {
  override readonly name = 'ComposioFailure';
  readonly kind: ComposioFailureKind;
  readonly outcome: EffectOutcome;
  readonly httpStatus: number | null;
  /** Composio's own error code, e.g. 1820. */
  readonly code: number | null;
  readonly retryAfterMs: number | null;
  readonly requestId: string | null;

  constructor(
    message: string,
    details: {
      kind: ComposioFailureKind;
      outcome: EffectOutcome;
      httpStatus?: number | null;
      code?: number | null;
      retryAfterMs?: number | null;
      requestId?: string | null;
      cause?: unknown;
    },
  ) {
    super(message, { cause: details.cause });
    this.kind = details.kind;
    this.outcome = details.outcome;
    this.httpStatus = details.httpStatus ?? null;
    this.code = details.code ?? null;
    this.retryAfterMs = details.retryAfterMs ?? null;
    this.requestId = details.requestId ?? null;
  }
}
