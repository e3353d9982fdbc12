/** What a failed request to Temporal means: provably not done, or nobody knows. */
import { isGrpcServiceError } from '@temporalio/client';
import { unavailable } from './problem-codes.ts';
import type { ApiProblem } from './problem-codes.ts';

const UNAVAILABLE: ReadonlySet<number> = new Set([14]);
/** gRPC codes with which a server says no: invalid argument, not found, permission, exhausted, precondition, unimplemented, unauthenticated. */
const REFUSALS: ReadonlySet<number> = new Set([3, 5, 7, 8, 9, 12, 16]);
/** UNAVAILABLE is also what a connection that broke after the request left looks like; these texts say that none was there. */
const NEVER_SENT =
  /No connection established|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|Name resolution failed/;

/** True when the request did provably not take effect. */
export function isRefused(error: unknown): boolean {
  for (let e: unknown = error; e instanceof Error; e = e.cause) {
    if (isGrpcServiceError(e)) {
      return (
        REFUSALS.has(e.code) || (UNAVAILABLE.has(e.code) && NEVER_SENT.test(`${e.details} ${e.message}`))
      );
    }
  }
  return false;
}

export function temporalUnavailable(cause: unknown): ApiProblem {
  return unavailable('Temporal does not take new work.', cause);
}
