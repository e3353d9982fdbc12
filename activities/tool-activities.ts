/**
 * One tool call: in a scope of its user, with an account resolved by us, written in the ledger before the request leaves.
 * The scope is built here and thrown away here.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ComposioFailure } from '../composio/failure.ts';
import { ToolCallArgumentsError, parseToolArguments } from './tool-arguments.ts';
import { callDigest } from '../db/call-digest.ts';
import {
  getToolCall,
  hasUnknownWrite,
  msUntilDeadline,
  releaseToolCall,
  settleToolCall,
  startToolCall,
  type ToolCallOutcome,
} from '../db/ledger.ts';
import { type LoadedCall, loadCall } from '../db/load-call.ts';
import { markResolutionHeard } from '../db/resolutions.ts';
import { type Run, lockRun, refreshRunStatus } from '../db/runs.ts';
import { forUser, forUserOnce } from '../db/scope.ts';
import type { ToolCall } from '../db/transcript.ts';
import { requiresApproval } from '../domain/approval.ts';
import type { ConnectedAccount } from '../domain/gate.ts';
import type { JsonObject } from '../domain/json.ts';
import type { GateReason } from '../domain/statuses.ts';
import { isEndedRunStatus } from '../domain/statuses.ts';
import type { Tool } from '../domain/tool.ts';
import { toEntityId } from '../domain/user-id.ts';
import { callNext } from './call-next.ts';
import type { ActivityDeps } from './deps.ts';
import { goneFailure } from './failures.ts';
import { resolveForCall } from './gate.ts';
import { createGather } from './gather.ts';
import { running } from './running.ts';
import { passApproval } from './tool-approval.ts';
import { StaleClaimError, SupersededCallError } from './tool-claim.ts';
import { judgeAnswer, judgeFailure, type Verdict } from './tool-verdict.ts';
import { parkForConnection, resumeAfterConnection } from './tool-park.ts';
import { untilWritten } from './until-written.ts';

export type ToolCallKey = { readonly runId: string; readonly userId: string; readonly callId: string };
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

/** The ledger's deadline is this much later than the request's, so that an aborted request is surely over. */
const DEADLINE_MARGIN_MS = 2_000;
/**
 * From the ledger's claim to the socket there are microseconds; a process that took this long was frozen and must not send.
 * No longer than the margin: a request that leaves this late is over by the ledger's deadline too.
 */
const CLAIM_LIFE_MS = DEADLINE_MARGIN_MS;

export function createToolActivities(deps: ActivityDeps) {
  const gather = createGather();
  return {
    async executeTool(key: ToolCallKey): Promise<ToolOutcome> {
      return running(async ({ cancellationSignal }) => {
        const began = performance.now();
        return gather(key.runId, async () => {
          const outcome = await execute(deps, key, cancellationSignal);
          // A run that waits for a person leaves its place to the next.
          if (outcome.status.startsWith('needs_')) await callNext(deps, key.userId);
          return { ...outcome, ms: Math.round(performance.now() - began) };
        });
      });
    },
  };
}

type Untimed<T> = T extends unknown ? Omit<T, 'ms'> : never;
type Outcome = Untimed<ToolOutcome>;

async function execute(deps: ActivityDeps, key: ToolCallKey, signal: AbortSignal): Promise<Outcome> {
  const { run, call, knowledge } = await readCall(deps, key);
  if (isFinal(call)) return finalOutcome(deps, run, call);
  if (isEndedRunStatus(run.status)) return { status: 'ended' };
  const current =
    call.status === 'started' && deps.settings.sabotage !== 'skip-ledger'
      ? await outwaitEarlierAttempt(deps, key)
      : call;
  if (isFinal(current)) return finalOutcome(deps, run, current);
  // Its word to the workflow may be on its way still, or lost: nothing further leaves. The next turn ends the run.
  if (run.cancelRequestedAt !== null && current.status !== 'started') return { status: 'failed' };
  if (current.status === 'started' && current.isWrite && deps.settings.sabotage !== 'skip-ledger') {
    // An earlier attempt was about to send, or sent, and left no word: nobody can know. Never guess.
    return settle(deps, run, current, {
      status: 'unknown',
      error: 'The worker was lost while this call was on its way.',
    });
  }
  const tool = (await deps.composio.getTools([call.tool], { signal }))[0];
  if (!tool || !run.tools.includes(tool.slug)) {
    return settle(deps, run, current, { status: 'failed', error: `There is no tool ${call.tool}.` });
  }
  let args: JsonObject;
  try {
    args = parseToolArguments(call.editedArguments ?? call.arguments);
  } catch (error) {
    if (!(error instanceof ToolCallArgumentsError)) throw error;
    return settle(deps, run, current, { status: 'failed', error: error.message });
  }
  if (tool.noAuth) return send(deps, { run, call: current, tool, args, account: null, signal });
  const resolution = await resolveForCall(deps, run.userId, tool.app, { knowledge, signal });
  if (resolution.kind === 'needs_connection') {
    return parkForConnection(deps, {
      run,
      call: current,
      tool,
      reason: resolution.reason,
      account: resolution.account,
      refused: false,
    });
  }
  if (current.status === 'waiting') await resumeAfterConnection(deps, run, tool.app);
  return send(deps, { run, call: current, tool, args, account: resolution.account, signal });
}

/** Read before the accounts are: `startToolCall` looks again whether the account's attempt was accepted. */
async function readCall(deps: ActivityDeps, key: ToolCallKey): Promise<LoadedCall> {
  const loaded = await forUserOnce(deps.db, key.userId, loadCall(key));
  if (!loaded) throw goneFailure('tool call');
  return loaded;
}

function isFinal(call: ToolCall): call is ToolCall & { status: 'done' | 'failed' | 'unknown' | 'denied' } {
  return (
    call.status === 'done' ||
    call.status === 'failed' ||
    call.status === 'unknown' ||
    call.status === 'denied'
  );
}

/** What a call that is settled already means for its run. A run that waited for a resolution notes that it has heard of it. */
async function finalOutcome(
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

/** @returns null when the call may be sent as it is. */
async function awaitApproval(
  deps: ActivityDeps,
  { run, call, tool, args }: Sending,
  bound: { accountId: string | null; digest: string },
): Promise<Outcome | null> {
  try {
    // Nobody is asked about a call that cannot be made.
    deps.composio.checkArguments(tool, args);
  } catch (error) {
    if (!(error instanceof ComposioFailure)) throw error;
    return settle(deps, run, call, { status: 'failed', error: error.message });
  }
  const verdict = await passApproval(deps, { run, call, tool, ...bound });
  switch (verdict.kind) {
    case 'approved':
      return null;
    case 'needs_approval':
      return { status: 'needs_approval', expiresInMs: Math.ceil(verdict.expiresInMs) };
    case 'denied':
    case 'ended':
      return { status: verdict.kind };
  }
}

/** Waits until the earlier attempt's request can no longer have an effect, then reads its word, if it left one meanwhile. */
async function outwaitEarlierAttempt(deps: ActivityDeps, key: ToolCallKey): Promise<ToolCall> {
  for (;;) {
    const { call, ms } = await forUser(deps.db, key.userId, async (tx) => {
      const call = await getToolCall(tx, key);
      if (!call) throw goneFailure('tool call');
      return { call, ms: call.status === 'started' ? await msUntilDeadline(tx, key) : 0 };
    });
    if (call.status !== 'started' || ms <= 0) return call;
    // Looks again each second: the earlier attempt may finish well before its deadline. Not ended by a cancellation: what
    // was sent is let finish and recorded, and this is over when that request's deadline is.
    await sleep(Math.min(ms, 1_000));
  }
}

type Sending = {
  readonly run: Run;
  readonly call: ToolCall;
  readonly tool: Tool;
  readonly args: JsonObject;
  readonly account: ConnectedAccount | null;
  readonly signal: AbortSignal;
};

async function send(deps: ActivityDeps, sending: Sending): Promise<Outcome> {
  const { run, call, tool, args, account, signal } = sending;
  const accountId = account?.id ?? null;
  const isWrite = !tool.readOnly;
  const key = { runId: run.id, callId: call.id };
  const digest = callDigest({ tool: tool.slug, arguments: args, accountId });
  const needsApproval = requiresApproval(run.approvals.require, { tool: tool.slug, isWrite });
  if (needsApproval) {
    const refusal = await awaitApproval(deps, sending, { accountId, digest });
    if (refusal !== null) return refusal;
  }
  let attempt = call.attempts;
  const beforeSend = async (): Promise<void> => {
    signal.throwIfAborted();
    const claimedAt = performance.now();
    const timeoutMs = deps.settings.toolTimeoutMs + DEADLINE_MARGIN_MS;
    const start = { ...key, expectedAttempts: call.attempts, accountId, digest, timeoutMs, needsApproval };
    const claimed = await forUserOnce(deps.db, run.userId, startToolCall(start));
    if (claimed === null) {
      const write = { ...key, tool: tool.slug, accountId };
      const isRefused = isWrite && (await forUser(deps.db, run.userId, (tx) => hasUnknownWrite(tx, write)));
      throw isRefused ? new RefusedWriteError() : new SupersededCallError();
    }
    attempt = claimed;
    if (performance.now() - claimedAt > CLAIM_LIFE_MS) throw new StaleClaimError();
  };
  const settled = (verdict: Verdict) =>
    act(deps, { ...sending, call: { ...call, attempts: attempt } }, verdict);
  try {
    const result = await deps.composio.forEntity(toEntityId(run.userId)).execute({
      tool,
      arguments: args,
      account,
      timeoutMs: deps.settings.toolTimeoutMs,
      beforeSend,
      // Not the activity's signal: a call that was sent is let finish and recorded.
    });
    return await settled(judgeAnswer(result, isWrite));
  } catch (error) {
    if (error instanceof RefusedWriteError)
      return settle(deps, run, call, { status: 'failed', error: error.message });
    if (error instanceof StaleClaimError) await release(deps, run, call.id, attempt);
    if (error instanceof ComposioFailure) return settled(judgeFailure(error, isWrite));
    throw error;
  }
}

class RefusedWriteError extends Error {
  override readonly name = 'RefusedWriteError';
  constructor() {
    super(
      'An earlier call of this tool with this account has an unknown outcome. It must be resolved before this tool may write again.',
    );
  }
}

/** Does what the verdict says. Throws where the attempt is to be repeated by Temporal's policy. */
async function act(deps: ActivityDeps, sending: Sending, verdict: Verdict): Promise<Outcome> {
  const { run, call, tool } = sending;
  switch (verdict.kind) {
    case 'settle':
      return untilWritten(() => settle(deps, run, call, verdict.outcome));
    case 'retry':
      await untilWritten(() => release(deps, run, call.id, call.attempts));
      throw verdict.error;
    case 'fatal':
      await untilWritten(() => settle(deps, run, call, { status: 'failed', error: 'The call was refused.' }));
      throw verdict.error;
    case 'needs_connection':
      return parkForConnection(deps, {
        run,
        call,
        tool,
        reason: verdict.reason,
        account: sending.account,
        refused: true,
      });
  }
}

async function release(deps: ActivityDeps, run: Run, callId: string, attempt: number): Promise<void> {
  await forUser(deps.db, run.userId, (tx) =>
    releaseToolCall(tx, { runId: run.id, callId, attempt }, 'pending'),
  );
}

/** Writes the outcome. When a newer attempt has settled the call meanwhile, its word stands. */
async function settle(
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
