/**
 * The one place where an error becomes an answer (RFC 9457). What is not known to be harmless is a bare 500: no
 * message of an unexpected error ever reaches a caller.
 */
import type { Response } from 'express';
import type { ComposioFailureKind } from '../composio/failure.ts';
import { ComposioFailure } from '../composio/failure.ts';
import { ERASING_CODE } from '../db/erasures.ts';
import type { ProblemCode } from './problem-codes.ts';
import { ApiProblem, PROBLEMS, RETRY_AFTER_S, unavailable } from './problem-codes.ts';

export const PROBLEM_TYPE_PREFIX = 'urn:bellhop:problem:';

export type ProblemBody = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: string;
  /** Empty where no field is wrong, so that a client can read it without asking first. */
  readonly errors: readonly { readonly at: string; readonly message: string }[];
};

/** What any thrown value means to a caller. */
export function toProblem(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  // Express could not decode a path parameter: such a path names nothing.
  if (error instanceof URIError) return new ApiProblem('not_found', { cause: error });
  if (error instanceof ComposioFailure) return fromComposio(error);
  // Something of theirs would have begun just after their erasure did.
  if ((error as { code?: unknown } | null)?.code === ERASING_CODE)
    return new ApiProblem('user_erasing', { cause: error });
  if (isDatabaseUnavailable(error)) return unavailable('The database does not answer.', error);
  return new ApiProblem('internal', { cause: error });
}

/** What a caller can wait out is 503, what Composio refused is 502; a key or a tenant that is wrong is ours to mend: 500. */
const COMPOSIO_PROBLEMS: Readonly<Record<ComposioFailureKind, ProblemCode>> = {
  unavailable: 'unavailable',
  transient: 'unavailable',
  too_large: 'unavailable',
  rate_limited: 'unavailable',
  rejected: 'composio_rejected',
  invalid_arguments: 'composio_rejected',
  tool_not_found: 'composio_rejected',
  not_connected: 'composio_rejected',
  connection_expired: 'composio_rejected',
  tenant_violation: 'internal',
  config: 'internal',
  api_retired: 'internal',
};

function fromComposio(failure: ComposioFailure): ApiProblem {
  const code = COMPOSIO_PROBLEMS[failure.kind];
  if (code !== 'unavailable') return new ApiProblem(code, { cause: failure });
  const waitS =
    failure.retryAfterMs === null ? RETRY_AFTER_S : Math.max(1, Math.ceil(failure.retryAfterMs / 1_000));
  const detail =
    failure.kind === 'rate_limited'
      ? "Composio's request limit is reached for now."
      : 'Composio does not answer.';
  return unavailable(detail, failure, waitS);
}

/** Socket errors, and PostgreSQL's classes 08 (connection), 53 (resources) and 57P (shutdown). */
function isDatabaseUnavailable(error: unknown): boolean {
  for (let e: unknown = error; e instanceof Error; e = e.cause) {
    const code = 'code' in e && typeof e.code === 'string' ? e.code : '';
    if (/^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN)$/.test(code)) return true;
    if (/^(08|53)[0-9A-Z]{3}$|^57P0[1-5]$/.test(code)) return true;
    if (/^(Connection terminated|timeout exceeded when trying to connect|Query read timeout)/.test(e.message))
      return true;
    if (e instanceof AggregateError && e.errors.some(isDatabaseUnavailable)) return true;
  }
  return false;
}

/** What is wrong, in one sentence, from the list of it. */
function describe(problem: ApiProblem): string | null {
  if (problem.errors.length === 0) return null;
  return `${problem.errors.map(({ at, message }) => `${at} ${message}`).join('; ')}.`;
}

export function toProblemBody(problem: ApiProblem, instance: string): ProblemBody {
  const { status, title } = PROBLEMS[problem.code];
  return {
    type: PROBLEM_TYPE_PREFIX + problem.code,
    title,
    status,
    detail: problem.detail ?? describe(problem) ?? `${title}.`,
    instance,
    code: problem.code,
    errors: problem.errors,
    ...problem.members,
  };
}

export function sendProblem(res: Response, problem: ApiProblem, instance: string): void {
  for (const [name, text] of Object.entries(problem.headers)) res.setHeader(name, text);
  res.status(PROBLEMS[problem.code].status);
  res.setHeader('content-type', 'application/problem+json; charset=utf-8');
  res.end(JSON.stringify(toProblemBody(problem, instance)));
}
