/**
 * The one error that leaves model/. Its message holds a status and a code, never a prompt, an answer or a key, and it has
 * no `cause`: the SDK's errors quote the provider's text, which quotes the request.
 */
export const MODEL_FAILURE_KINDS = [
  /** Provably not sent: the endpoint cannot be reached. */
  'unavailable',
  /** 429 that passes by itself. */
  'rate_limited',
  /** 5xx, 408, 409, reset, deadline, and whatever is no completion: a proxy's page, half a body. */
  'transient',
  /** Key, permission, unknown model, wrong URL, no money: an operator must act. */
  'config',
  /** The request itself is refused; the same one will be refused again. */
  'bad_request',
  /** The provider's own filter refuses the request, as a model refuses a task. */
  'refused',
  /** A completion that is of no use, or larger than we read. Another attempt may fare better, and is paid for. */
  'bad_answer',
] as const;
export type ModelFailureKind = (typeof MODEL_FAILURE_KINDS)[number];

const RETRYABLE: Readonly<Record<ModelFailureKind, boolean>> = {
  unavailable: true,
  rate_limited: true,
  transient: true,
  config: false,
  bad_request: false,
  refused: false,
  bad_answer: true,
};

export type ModelFailureDetails = {
  readonly kind: ModelFailureKind;
  readonly httpStatus?: number | null;
  /** The provider's error code, e.g. `context_length_exceeded`. */
  readonly code?: string | null;
  readonly retryAfterMs?: number | null;
  readonly requestId?: string | null;
};

export class ModelFailure extends Error {
  override readonly name = 'ModelFailure';
  readonly kind: ModelFailureKind;
  readonly httpStatus: number | null;
  readonly code: string | null;
  /** What the provider asked for, milliseconds; null when it asked for nothing. */
  readonly retryAfterMs: number | null;
  /** The provider's `x-request-id`, for its support. */
  readonly requestId: string | null;

  constructor(message: string, details: ModelFailureDetails) {
    super(message);
    this.kind = details.kind;
    this.httpStatus = details.httpStatus ?? null;
    this.code = details.code ?? null;
    this.retryAfterMs = details.retryAfterMs ?? null;
    this.requestId = details.requestId ?? null;
  }

  get retryable(): boolean {
    return RETRYABLE[this.kind];
  }
}
