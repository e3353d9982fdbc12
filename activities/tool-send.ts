/**
 * Sends one call: asks for its approval where one is needed, claims it in the ledger as the last thing before the request
 * leaves, and does what the answer's verdict says.
 */
import { ComposioFailure } from '../composio/failure.ts';
import { callDigest } from '../db/call-digest.ts';
import { hasUnknownWrite, releaseToolCall, startToolCall } from '../db/ledger.ts';
import type { Run } from '../db/runs.ts';
import { forUser, forUserOnce } from '../db/scope.ts';
import type { ToolCall } from '../db/transcript.ts';
import { requiresApproval } from '../domain/approval.ts';
import type { ConnectedAccount } from '../domain/gate.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Tool } from '../domain/tool.ts';
import { toEntityId } from '../domain/user-id.ts';
import type { ActivityDeps } from './deps.ts';
import { passApproval } from './tool-approval.ts';
import { StaleClaimError, SupersededCallError } from './tool-claim.ts';
import { parkForConnection } from './tool-park.ts';
import { type Outcome, settle } from './tool-settle.ts';
import { judgeAnswer, judgeFailure, type Verdict } from './tool-verdict.ts';
import { untilSettled, untilWritten } from './until-written.ts';

/** The ledger's deadline is this much later than the request's, so that an aborted request is surely over. */
const DEADLINE_MARGIN_MS = 2_000;
/**
 * From the ledger's claim to the socket there are microseconds; a process that took this long was frozen and must not send.
 * No longer than the margin: a request that leaves this late is over by the ledger's deadline too.
 */
const CLAIM_LIFE_MS = DEADLINE_MARGIN_MS;

export type Sending = {
  readonly run: Run;
  readonly call: ToolCall;
  readonly tool: Tool;
  readonly args: JsonObject;
  readonly account: ConnectedAccount | null;
  readonly signal: AbortSignal;
};

export async function send(deps: ActivityDeps, sending: Sending): Promise<Outcome> {
  const { run, call, tool, args, account, signal } = sending;
  const accountId = account?.id ?? null;
  // What the call was taken for when the model made it counts too: a tool must not become a read in between.
  const isWrite = call.isWrite || !tool.readOnly;
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
      return untilSettled(verdict.outcome, (outcome) => settle(deps, run, call, outcome));
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
        askedAt: performance.now(),
        refused: true,
      });
  }
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

async function release(deps: ActivityDeps, run: Run, callId: string, attempt: number): Promise<void> {
  await forUser(deps.db, run.userId, (tx) =>
    releaseToolCall(tx, { runId: run.id, callId, attempt }, 'pending'),
  );
}
