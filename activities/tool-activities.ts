/**
 * One tool call: in a scope of its user, with an account resolved by us, written in the ledger before the request leaves.
 * The scope is built here and thrown away here.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { getToolCall, msUntilDeadline } from '../db/ledger.ts';
import { type LoadedCall, loadCall } from '../db/load-call.ts';
import { forUser, forUserOnce } from '../db/scope.ts';
import type { ToolCall } from '../db/transcript.ts';
import type { JsonObject } from '../domain/json.ts';
import { isEndedRunStatus } from '../domain/statuses.ts';
import { callNext } from './call-next.ts';
import type { ActivityDeps } from './deps.ts';
import { goneFailure } from './failures.ts';
import { resolveForCall } from './gate.ts';
import { createGather } from './gather.ts';
import { running } from './running.ts';
import { ToolCallArgumentsError, parseToolArguments } from './tool-arguments.ts';
import { parkForConnection, resumeAfterConnection } from './tool-park.ts';
import { send } from './tool-send.ts';
import { finalOutcome, isFinal, type Outcome, settle, type ToolOutcome } from './tool-settle.ts';

export type ToolCallKey = { readonly runId: string; readonly userId: string; readonly callId: string };

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

async function execute(deps: ActivityDeps, key: ToolCallKey, signal: AbortSignal): Promise<Outcome> {
  const { run, call, knowledge } = await readCall(deps, key);
  if (isFinal(call)) return finalOutcome(deps, run, call);
  if (isEndedRunStatus(run.status)) return { status: 'ended' };
  // A read has no effect to outwait: it is sent again at once, and the earlier attempt's claim is superseded.
  const current =
    call.status === 'started' && call.isWrite && deps.settings.sabotage !== 'skip-ledger'
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
  const askedAt = performance.now();
  const resolution = await resolveForCall(deps, run.userId, tool.app, { knowledge, signal });
  if (resolution.kind === 'needs_connection') {
    return parkForConnection(deps, {
      run,
      call: current,
      tool,
      reason: resolution.reason,
      account: resolution.account,
      askedAt,
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
