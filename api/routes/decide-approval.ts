/**
 * POST /v1/runs/{runId}/approvals/{toolCallId}: a row first, by compare-and-set, so that it holds with no worker and no
 * Temporal; then a word to the workflow. Where the call is executed the digest is checked again.
 */
import type { Logger } from 'pino';
import { z } from 'zod';
import { ComposioFailure } from '../../composio/failure.ts';
import { type Approval, decideApproval, getApproval } from '../../db/approvals.ts';
import { addLogEntry } from '../../db/audit-log.ts';
import { callDigest } from '../../db/call-digest.ts';
import { appendEvents } from '../../db/events.ts';
import { denyToolCall, editArguments, getToolCall } from '../../db/ledger.ts';
import { lockRun, refreshRunStatus } from '../../db/runs.ts';
import { asSystem, type SystemTx } from '../../db/scope.ts';
import type { ToolCall } from '../../db/transcript.ts';
import type { JsonObject } from '../../domain/json.ts';
import { canonicalJson } from '../../domain/json.ts';
import { isEndedRunStatus } from '../../domain/statuses.ts';
import { actingKey } from '../acting-key.ts';
import { defineRoute } from '../define-route.ts';
import type { ApiDeps } from '../deps.ts';
import { hintCallDecided } from '../hint-run.ts';
import { ApiProblem, invalid } from '../problem-codes.ts';
import { id } from '../schemas/common.ts';
import { approvalDecisionSchema, approvalSchema, toApprovalBody } from '../schemas/decision.ts';

/** Composio unreachable for longer must not keep a person from deciding: where the call is executed its arguments are checked again. */
const CHECK_MS = 3_000;

type Decision = z.output<typeof approvalDecisionSchema>;

export const decideApprovalRoute = defineRoute({
  method: 'post',
  path: '/v1/runs/{runId}/approvals/{toolCallId}',
  operationId: 'decideApproval',
  tag: 'Runs',
  summary: 'Approve or deny a tool call',
  description:
    'Bound to tool, arguments and account. The same decision again changes nothing; another one is refused. A denial is told to the model.',
  scope: 'operator',
  params: z.strictObject({ runId: id('run'), toolCallId: id('tool call') }),
  body: approvalDecisionSchema,
  responses: { 200: { description: 'The approval as it is now.', body: approvalSchema } },
  problems: ['not_found', 'already_decided', 'approval_expired', 'run_ended'],
  handler: async (deps, { params, body, principal, requestId, log }) => {
    const key = { runId: params.runId, callId: params.toolCallId };
    if (body.arguments !== undefined) await checkEdited(deps, key, body.arguments as JsonObject, log);
    const { approval, call, isNew } = await asSystem(deps.db, async (tx) => {
      const decided = await decide(tx, key, body);
      if (!decided.isNew) return decided;
      await addLogEntry(tx, {
        by: actingKey({ principal, requestId }),
        action: body.decision === 'approve' ? 'approval.approved' : 'approval.denied',
        details: { runId: key.runId, toolCallId: decided.call.id, tool: decided.call.tool },
        userId: decided.approval.userId,
        actor: body.approver,
      });
      return decided;
    });
    if (isNew) await hintCallDecided(deps, key, log);
    return { status: 200, userId: approval.userId, body: toApprovalBody(approval, call) };
  },
});

type Decided = { readonly approval: Approval; readonly call: ToolCall; readonly isNew: boolean };

async function decide(
  tx: SystemTx,
  key: { runId: string; callId: string },
  decision: Decision,
): Promise<Decided> {
  const run = await lockRun(tx, key.runId);
  const call = run && (await getToolCall(tx, key));
  const found = call && (await getApproval(tx, key));
  if (!found) throw new ApiProblem('not_found');
  const { approval, msLeft } = found;
  if (approval.status === 'expired') throw new ApiProblem('approval_expired');
  const edited = decision.arguments as JsonObject | undefined;
  const digest = edited
    ? callDigest({ tool: call.tool, arguments: edited, accountId: approval.accountId })
    : approval.digest;
  const status = decision.decision === 'approve' ? ('approved' as const) : ('denied' as const);
  if (approval.status !== 'requested') {
    if (approval.status === status && approval.digest === digest) return { approval, call, isNew: false };
    throw new ApiProblem('already_decided', { members: { decided: approval.status } });
  }
  if (isEndedRunStatus(run.status)) throw new ApiProblem('run_ended');
  if (msLeft <= 0) throw new ApiProblem('approval_expired');
  const { approver, reason = null } = decision;
  await decideApproval(tx, { ...key, round: approval.round }, { status, digest, approver, reason });
  if (edited) await editArguments(tx, key, canonicalJson(edited));
  const told = { callId: call.id, tool: call.tool };
  await appendEvents(tx, run, [{ type: 'approval.decided', data: { ...told, decision: status } }]);
  if (status === 'denied') {
    await denyToolCall(tx, key, reason ?? 'A person denied this call.');
    await appendEvents(tx, run, [{ type: 'tool.completed', data: { ...told, status: 'denied' } }]);
  }
  await refreshRunStatus(tx, run.id);
  const now = await getApproval(tx, key);
  return { approval: now?.approval ?? approval, call, isNew: true };
}

/** An approver hears at once that the tool would not take what they wrote. */
async function checkEdited(
  deps: ApiDeps,
  key: { runId: string; callId: string },
  edited: JsonObject,
  log: Logger,
): Promise<void> {
  const call = await asSystem(deps.db, (tx) => getToolCall(tx, key));
  if (!call) throw new ApiProblem('not_found');
  try {
    const signal = AbortSignal.timeout(CHECK_MS);
    const [tool] = await deps.composio.getTools([call.tool], { signal });
    if (tool) deps.composio.checkArguments(tool, edited);
  } catch (error) {
    if (error instanceof ComposioFailure && error.kind === 'invalid_arguments') {
      throw invalid('body/arguments', error.message);
    }
    log.warn({ err: error }, 'edited arguments could not be checked yet');
  }
}
