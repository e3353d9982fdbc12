/** From what Composio answered (or did not) to what becomes of the call. Pure; the one table of these decisions. */
import type { ComposioFailure } from '../composio/failure.ts';
import type { ExecuteResult } from '../composio/port.ts';
import { classifyToolError } from '../composio/tool-error.ts';
import type { ToolCallOutcome } from '../db/ledger.ts';
import type { GateReason } from '../domain/statuses.ts';

export type Verdict =
  | { readonly kind: 'settle'; readonly outcome: ToolCallOutcome }
  /** Provably without effect, or a read: the same call again, later. */
  | { readonly kind: 'retry'; readonly error: ComposioFailure }
  /** Nothing that the model or the user can mend. */
  | { readonly kind: 'fatal'; readonly error: ComposioFailure }
  | { readonly kind: 'needs_connection'; readonly reason: GateReason };

export function judgeAnswer(answer: ExecuteResult, isWrite: boolean): Verdict {
  if (answer.successful)
    return { kind: 'settle', outcome: { status: 'done', result: answer.data, logId: answer.logId } };
  const error = answer.error ?? 'The tool failed without saying why.';
  switch (classifyToolError(error)) {
    case 'revoked_at_provider':
      return { kind: 'needs_connection', reason: 'revoked' };
    case 'maybe_happened':
      if (isWrite) return { kind: 'settle', outcome: { status: 'unknown', error } };
      break;
    case 'failed':
      break;
  }
  return { kind: 'settle', outcome: { status: 'failed', error, result: answer.data, logId: answer.logId } };
}

export function judgeFailure(failure: ComposioFailure, isWrite: boolean): Verdict {
  switch (failure.kind) {
    case 'not_connected':
      return { kind: 'needs_connection', reason: 'missing' };
    case 'connection_expired':
      return { kind: 'needs_connection', reason: 'expired' };
    case 'invalid_arguments':
    case 'tool_not_found':
    case 'rejected':
      return { kind: 'settle', outcome: { status: 'failed', error: failure.message } };
    case 'config':
    case 'api_retired':
    case 'tenant_violation':
      return { kind: 'fatal', error: failure };
    case 'rate_limited':
      return { kind: 'retry', error: failure };
    case 'unavailable':
    case 'transient':
    case 'too_large':
      if (failure.outcome !== 'unknown') return { kind: 'retry', error: failure };
      if (isWrite) return { kind: 'settle', outcome: { status: 'unknown', error: failure.message } };
      return failure.kind === 'too_large'
        ? { kind: 'settle', outcome: { status: 'failed', error: failure.message } }
        : { kind: 'retry', error: failure };
  }
}
