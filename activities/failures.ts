/**
 * The only place that makes ApplicationFailure. Outcomes that are expected (needs connection, denied, the tool said no,
 * unknown) are return values and never come here; what comes here is tried again by Temporal's policy, or is not.
 * Messages hold kinds and statuses only: they are written to history.
 */
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { ComposioFailure, type ComposioFailureKind } from '../composio/failure.ts';
import { ModelFailure } from '../model/failure.ts';

/** What trying again cannot mend. */
const FATAL_COMPOSIO: ReadonlySet<ComposioFailureKind> = new Set([
  'config',
  'api_retired',
  'tenant_violation',
  'tool_not_found',
  'invalid_arguments',
  'rejected',
]);

/** A completion that is of no use is usually an accident; so many in a row, each of them paid for, are not. */
export const BAD_ANSWERS = 5;
/** A server that says "come at once" is not asked without end: the first back-off of workflows/policies.ts. */
const MIN_DELAY_MS = 1_000;
/** All who were told the same moment do not come at the same moment: later by up to this share, never sooner. */
const SPREAD = 0.1;

/** `badAnswers`: how many in a row, this one included. `random` in [0, 1) spreads those who wait for the same moment. */
export function toFailure(error: unknown, badAnswers = 0, random: () => number = Math.random): Error {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure) return error;
  if (error instanceof ComposioFailure) {
    return ApplicationFailure.create({
      type: `composio.${error.kind}`,
      message: `Composio: ${error.kind}${error.httpStatus === null ? '' : ` (HTTP ${error.httpStatus})`}`,
      nonRetryable: FATAL_COMPOSIO.has(error.kind),
      ...delayOf(error, random),
    });
  }
  if (error instanceof ModelFailure) {
    return ApplicationFailure.create({
      type: `model.${error.kind}`,
      message: `model: ${error.kind}${error.httpStatus === null ? '' : ` (HTTP ${error.httpStatus})`}`,
      nonRetryable: !error.retryable || (error.kind === 'bad_answer' && badAnswers >= BAD_ANSWERS),
      ...delayOf(error, random),
    });
  }
  const code = errorCode(error);
  return ApplicationFailure.create({
    type: code === null ? 'internal' : `internal.${code}`,
    // The text of an unexpected error may quote rows or requests: only its name and code leave.
    message: `${error instanceof Error ? error.name : 'Error'}${code === null ? '' : ` ${code}`}`,
    nonRetryable: error instanceof RangeError,
  });
}

/** What the server asked for, to the letter or later; without it the policy's own back-off holds. */
function delayOf(
  { retryAfterMs }: { retryAfterMs: number | null },
  random: () => number,
): { nextRetryDelay?: number } {
  if (retryAfterMs === null) return {};
  return { nextRetryDelay: Math.ceil(Math.max(retryAfterMs, MIN_DELAY_MS) * (1 + SPREAD * random())) };
}

/** An execution was refused for its account, and asking the user would be too early: the same call again, after `delayMs`. */
export function refusedAccountFailure(why: 'fresh' | 'replaced', delayMs: number): ApplicationFailure {
  return ApplicationFailure.create({
    type: `account.${why}`,
    message: why === 'fresh' ? 'the new account is not accepted yet' : 'another account works by now',
    nextRetryDelay: delayMs,
  });
}

/** A row that must be there is not: erased, or a wrong id. */
export function goneFailure(what: string): ApplicationFailure {
  return ApplicationFailure.create({ type: 'gone', message: `${what} does not exist`, nonRetryable: true });
}

function errorCode(error: unknown): string | null {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[A-Z0-9_]{2,40}$/i.test(code) ? code : null;
}
