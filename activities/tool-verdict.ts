/**
 * From what Composio answered (or did not) to what becomes of the call. Pure; the one table of these decisions, of which
 * docs/classification.md is made. One rule stands above it: a write that left and whose answer proves nothing is `unknown`.
 */
import type { ComposioFailure, ComposioFailureKind } from '../composio/failure.ts';
import type { ExecuteResult } from '../composio/port.ts';
import { classifyToolError, tellingText } from '../composio/tool-error.ts';
import type { ToolCallOutcome } from '../db/ledger.ts';
import type { GateReason } from '../domain/statuses.ts';

export type Verdict =
  | { readonly kind: 'settle'; readonly outcome: ToolCallOutcome }
  /** Provably without effect, or a read: the same call again, later. */
  | { readonly kind: 'retry'; readonly error: ComposioFailure }
  /** Nothing that the model or the user can mend. */
  | { readonly kind: 'fatal'; readonly error: ComposioFailure }
  | { readonly kind: 'needs_connection'; readonly reason: GateReason };

export type Decision =
  | { readonly do: 'retry' | 'fatal' | 'tell_model' }
  | { readonly do: 'needs_connection'; readonly reason: GateReason };

/** What becomes of a call that failed without an effect, and of any read. */
export const DECISIONS: Readonly<Record<ComposioFailureKind, Decision>> = {
  unavailable: { do: 'retry' },
  rate_limited: { do: 'retry' },
  transient: { do: 'retry' },
  invalid_arguments: { do: 'tell_model' },
  tool_not_found: { do: 'tell_model' },
  rejected: { do: 'tell_model' },
  // The same read again would be as large.
  too_large: { do: 'tell_model' },
  not_connected: { do: 'needs_connection', reason: 'missing' },
  connection_expired: { do: 'needs_connection', reason: 'expired' },
  tenant_violation: { do: 'fatal' },
  config: { do: 'fatal' },
  api_retired: { do: 'fatal' },
};

export function judgeFailure(failure: ComposioFailure, isWrite: boolean): Verdict {
  if (isWrite && failure.outcome === 'unknown')
    return { kind: 'settle', outcome: { status: 'unknown', error: failure.message } };
  const decision = DECISIONS[failure.kind];
  switch (decision.do) {
    case 'retry':
      return { kind: 'retry', error: failure };
    case 'fatal':
      return { kind: 'fatal', error: failure };
    case 'tell_model':
      return { kind: 'settle', outcome: { status: 'failed', error: failure.message } };
    case 'needs_connection':
      return { kind: 'needs_connection', reason: decision.reason };
  }
}

export function judgeAnswer(answer: ExecuteResult, isWrite: boolean): Verdict {
  if (answer.successful)
    return { kind: 'settle', outcome: { status: 'done', result: answer.data, logId: answer.logId } };
  const error = answer.error ?? 'The tool failed without saying why.';
  switch (classifyToolError(tellingText(answer.error, answer.data), isWrite)) {
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
