/** What becomes of a tool call, written to the ledger, and what that means for its run. */
import { getToolCall, settleToolCall, type ToolCallOutcome } from '../db/ledger.ts';
import { markResolutionHeard } from '../db/resolutions.ts';
import { type Run, lockRun, refreshRunStatus } from '../db/runs.ts';
import { forUser, forUserOnce } from '../db/scope.ts';
import type { ToolCall } from '../db/transcript.ts';
import type { GateReason } from '../domain/statuses.ts';
import { isEndedRunStatus } from '../domain/statuses.ts';
import type { ActivityDeps } from './deps.ts';
import { SupersededCallError } from './tool-claim.ts';

export type ToolOutcome =
  | { readonly status: 'done' | 'failed' | 'unknown' | 'denied'; readonly ms: number }
  | {
      readonly status: 'needs_connection';
      readonly app: string;
      readonly reason: GateReason;
      readonly flowId: string;
      readonly ms: number;
    }
  /** Until a person has decided, or `expiresInMs` are over. */
  | { readonly status: 'needs_approval'; readonly expiresInMs: number; readonly ms: number }
  /** The outcome is unknown, and the run waits until a person has found out. */
  | { readonly status: 'needs_resolution'; readonly ms: number }
  /** The run ended elsewhere; nothing was sent. */
  | { readonly status: 'ended'; readonly ms: number };

type Untimed<T> = T extends unknown ? Omit<T, 'ms'> : never;
/** Without the time it took. */
export type Outcome = Untimed<ToolOutcome>;

export function isFinal(
  call: ToolCall,
): call is ToolCall & { status: 'done' | 'failed' | 'unknown' | 'denied' } {
  return (
    call.status === 'done' ||
    call.status === 'failed' ||
    call.status === 'unknown' ||
    call.status === 'denied'
  );
}

/** What a call that is settled already means for its run. A run that waited for a resolution notes that it has heard of it. */
export async function finalOutcome(
  deps: ActivityDeps,
  run: Run,
  call: ToolCall & { status: 'done' | 'failed' | 'unknown' | 'denied' },
): Promise<Outcome> {
  if (call.status === 'unknown') return holdUnknown(deps, run);
  if (call.resolution !== null && run.onUnknownOutcome === 'wait') {
    await forUser(deps.db, run.userId, (tx) => markResolutionHeard(tx, { runId: run.id, callId: call.id }));
  }
  return { status: call.status };
}

/** With `continue` the model is told that the outcome is unknown; with `wait` nothing goes on before a person has found out. */
async function holdUnknown(deps: ActivityDeps, run: Run): Promise<Outcome> {
  if (run.onUnknownOutcome === 'continue') return { status: 'unknown' };
  return forUser(deps.db, run.userId, async (tx): Promise<Outcome> => {
    const locked = await lockRun(tx, run.id);
    if (!locked || isEndedRunStatus(locked.status)) return { status: 'ended' };
    await refreshRunStatus(tx, run.id);
    return { status: 'needs_resolution' };
  });
}

/** Writes the outcome. When a newer attempt has settled the call meanwhile, its word stands. */
export async function settle(
  deps: ActivityDeps,
  run: Run,
  call: ToolCall,
  outcome: ToolCallOutcome,
): Promise<Outcome> {
  const key = { runId: run.id, callId: call.id };
  const settled = settleToolCall({ ...key, attempt: call.attempts }, outcome);
  if (await forUserOnce(deps.db, run.userId, settled)) {
    return outcome.status === 'unknown' ? holdUnknown(deps, run) : { status: outcome.status };
  }
  const now = await forUser(deps.db, run.userId, (tx) => getToolCall(tx, key));
  if (now && isFinal(now)) return finalOutcome(deps, run, now);
  throw new SupersededCallError();
}
