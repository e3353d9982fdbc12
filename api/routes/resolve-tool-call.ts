/**
 * POST /v1/runs/{runId}/tool-calls/{toolCallId}/resolution: a person has found out what became of a call whose outcome was
 * unknown. A row first, then a word to the workflow. Until then the ledger refuses further writes of that tool and account.
 */
import { z } from 'zod';
import { addLogEntry } from '../../db/audit-log.ts';
import { appendEvents } from '../../db/events.ts';
import { getToolCall } from '../../db/ledger.ts';
import { resolveToolCall } from '../../db/resolutions.ts';
import { lockRun, refreshRunStatus } from '../../db/runs.ts';
import { asSystem, type SystemTx } from '../../db/scope.ts';
import type { ToolCall } from '../../db/transcript.ts';
import type { Json } from '../../domain/json.ts';
import { isEndedRunStatus } from '../../domain/statuses.ts';
import { actingKey } from '../acting-key.ts';
import { defineRoute } from '../define-route.ts';
import { hintCallDecided } from '../hint-run.ts';
import { ApiProblem } from '../problem-codes.ts';
import { id, toTime } from '../schemas/common.ts';
import { resolutionBodySchema, resolvedCallSchema } from '../schemas/decision.ts';

export const resolveToolCallRoute = defineRoute({
  method: 'post',
  path: '/v1/runs/{runId}/tool-calls/{toolCallId}/resolution',
  operationId: 'resolveToolCall',
  tag: 'Runs',
  summary: 'Resolve a tool call whose outcome is unknown',
  description:
    'While the run has not ended. The model is told. The same outcome again changes nothing; another one is refused.',
  scope: 'operator',
  params: z.strictObject({ runId: id('run'), toolCallId: id('tool call') }),
  body: resolutionBodySchema,
  responses: { 200: { description: 'The call as it is now.', body: resolvedCallSchema } },
  problems: ['not_found', 'already_decided', 'outcome_known', 'run_ended'],
  handler: async (deps, { params, body, principal, requestId, log }) => {
    const key = { runId: params.runId, callId: params.toolCallId };
    const { call, userId, isNew } = await asSystem(deps.db, async (tx) => {
      const resolved = await resolve(tx, key, body);
      if (!resolved.isNew) return resolved;
      await addLogEntry(tx, {
        by: actingKey({ principal, requestId }),
        action: 'tool_call.resolved',
        details: { runId: key.runId, toolCallId: resolved.call.id, outcome: body.outcome },
        userId: resolved.userId,
        actor: body.resolver,
      });
      return resolved;
    });
    if (isNew) await hintCallDecided(deps, key, log);
    return {
      status: 200,
      userId,
      body: {
        runId: key.runId,
        toolCallId: key.callId,
        tool: call.tool,
        status: call.status,
        outcome: body.outcome,
        resolver: call.resolver ?? body.resolver,
        resolvedAt: toTime(call.resolvedAt ?? new Date()),
      },
    };
  },
});

async function resolve(
  tx: SystemTx,
  key: { runId: string; callId: string },
  body: z.output<typeof resolutionBodySchema>,
): Promise<{ call: ToolCall; userId: string; isNew: boolean }> {
  const run = await lockRun(tx, key.runId);
  const call = run && (await getToolCall(tx, key));
  if (!call) throw new ApiProblem('not_found');
  if (isEndedRunStatus(run.status)) throw new ApiProblem('run_ended');
  if (call.resolution !== null) {
    if (call.resolution === body.outcome) return { call, userId: run.userId, isNew: false };
    throw new ApiProblem('already_decided', { members: { decided: call.resolution } });
  }
  const { outcome, result, resolver } = body;
  const resolution = { outcome, result: (result ?? null) as Json, resolver };
  if (!(await resolveToolCall(tx, key, resolution))) throw new ApiProblem('outcome_known');
  const status = outcome === 'done' ? 'done' : 'failed';
  const data = { callId: call.id, tool: call.tool, status, resolution: outcome };
  await appendEvents(tx, run, [{ type: 'tool.completed', data }]);
  await refreshRunStatus(tx, run.id);
  return { call: (await getToolCall(tx, key)) ?? call, userId: run.userId, isNew: true };
}
