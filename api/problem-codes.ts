/** Every way a request can be refused: code → status and title. The codes are part of the contract; clients branch on them. */
export const PROBLEMS = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  unauthorized: { status: 401, title: 'A valid API key is needed' },
  signature_invalid: { status: 401, title: 'The signature does not hold' },
  forbidden: { status: 403, title: 'The API key lacks the scope' },
  not_found: { status: 404, title: 'There is no such thing' },
  user_unknown: { status: 404, title: 'There is no such user' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  already_decided: { status: 409, title: 'It was decided otherwise' },
  approval_expired: { status: 409, title: 'The approval was not decided in time' },
  audit_running: { status: 409, title: 'An audit is running' },
  code_invalid: { status: 409, title: 'The code is wrong, used or too old' },
  idempotency_in_progress: {
    status: 409,
    title: 'A request with this Idempotency-Key is still being accepted',
  },
  outcome_known: { status: 409, title: 'The outcome of this tool call is not unknown' },
  run_ended: { status: 409, title: 'The run has ended' },
  thread_busy: { status: 409, title: 'The thread has an active run' },
  user_erasing: { status: 409, title: 'The user is being erased' },
  user_mismatch: { status: 409, title: 'Another user consented' },
  body_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json in UTF-8, not encoded' },
  app_unknown: { status: 422, title: 'Composio knows no such app' },
  app_needs_no_connection: { status: 422, title: 'The app works without a connection' },
  idempotency_key_reused: { status: 422, title: 'The Idempotency-Key was used with another body' },
  return_url_not_allowed: { status: 422, title: 'The return URL is not one of BELLHOP_RETURN_URLS' },
  tool_unknown: { status: 422, title: 'Composio knows no such tool' },
  too_many_requests: { status: 429, title: 'Too many requests' },
  too_many_attempts: { status: 429, title: 'Too many attempts are open for this link' },
  headers_too_large: { status: 431, title: 'The request line and headers are too large' },
  internal: { status: 500, title: 'Something went wrong here' },
  composio_rejected: { status: 502, title: 'Composio refused the request' },
  unavailable: { status: 503, title: 'A part that is needed does not answer' },
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** One fault of a request; `at` is where: `body/tools/0`, `query/limit`, `header/idempotency-key`. */
export type ProblemError = { readonly at: string; readonly message: string };

/** A refusal. Thrown anywhere below a route; `detail` goes to the caller, `cause` only to the log. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly code: ProblemCode;
  readonly detail: string | null;
  readonly errors: readonly ProblemError[];
  readonly headers: Readonly<Record<string, string>>;
  /** Further members of the problem body, such as the id of the audit that is running. */
  readonly members: Readonly<Record<string, string>>;

  constructor(
    code: ProblemCode,
    details: {
      detail?: string;
      errors?: readonly ProblemError[];
      headers?: Readonly<Record<string, string>>;
      members?: Readonly<Record<string, string>>;
      cause?: unknown;
    } = {},
  ) {
    super(details.detail ?? PROBLEMS[code].title, { cause: details.cause });
    this.code = code;
    this.detail = details.detail ?? null;
    this.errors = details.errors ?? [];
    this.headers = details.headers ?? {};
    this.members = details.members ?? {};
  }
}

export function invalid(at: string, message: string): ApiProblem {
  return new ApiProblem('invalid_request', { errors: [{ at, message }] });
}

/** Seconds a caller should wait before it tries again when a part is down: long enough for a restart, short for a person. */
export const RETRY_AFTER_S = 5;

export function unavailable(detail: string, cause?: unknown, retryAfterS = RETRY_AFTER_S): ApiProblem {
  return new ApiProblem('unavailable', { detail, cause, headers: { 'retry-after': String(retryAfterS) } });
}
