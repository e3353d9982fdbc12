/** POST /v1/runs/{runId}/cancel: a row first, so that it holds with no worker and no Temporal; then a word to the workflow. */
import { z } from 'zod';
import { addLogEntry } from '../../db/audit-log.ts';
import { getRun, requestCancel } from '../../db/runs.ts';
import { asSystem } from '../../db/scope.ts';
import { runWorkflowId } from '../../workflows/messages.ts';
import { actingKey } from '../acting-key.ts';
import { defineRoute } from '../define-route.ts';
import { ApiProblem } from '../problem-codes.ts';
import { readRunBody } from '../run-view.ts';
import { id } from '../schemas/common.ts';
import { runSchema } from '../schemas/run.ts';

// The word is only a hint; the caller need not wait for an outage to end.
const HINT_DEADLINE_MS = 2_000;

export const cancelRunRoute = defineRoute({
  method: 'post',
  path: '/v1/runs/{runId}/cancel',
  operationId: 'cancelRun',
  tag: 'Runs',
  summary: 'Cancel a run',
  description:
    'Idempotent. A tool call that was sent is let finish and recorded. An ended run stays as it is.',
  scope: 'runs',
  params: z.strictObject({ runId: id('run') }),
  responses: { 202: { description: 'The run; it ends soon, or has ended.', body: runSchema } },
  problems: ['not_found'],
  handler: async (deps, { params, principal, requestId, log }) => {
    const isOpen = await asSystem(deps.db, async (tx) => {
      const run = await getRun(tx, params.runId);
      if (!run) throw new ApiProblem('not_found');
      const isOpen = await requestCancel(tx, run.id);
      if (isOpen && run.cancelRequestedAt === null) {
        await addLogEntry(tx, {
          by: actingKey({ principal, requestId }),
          action: 'run.cancel_requested',
          details: { runId: run.id },
          userId: run.userId,
        });
      }
      return isOpen;
    });
    if (isOpen) {
      await deps.temporal
        .withDeadline(Date.now() + HINT_DEADLINE_MS, async () => {
          await deps.temporal.workflow.getHandle(runWorkflowId(params.runId)).cancel();
        })
        .catch((error: unknown) =>
          log.warn({ err: error, runId: params.runId }, 'a cancel could not be told'),
        );
    }
    return { status: 202, body: await readRunBody(deps, params.runId, principal) };
  },
});
