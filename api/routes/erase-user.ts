/** DELETE /v1/users/{userId}: the tombstone is written at once, the rest is the work of `eraseUser`. */
import { z } from 'zod';
import { addLogEntry } from '../../db/audit-log.ts';
import { beginErasure } from '../../db/erasures.ts';
import { newId } from '../../db/ids.ts';
import { asSystem } from '../../db/scope.ts';
import { isUserId } from '../../domain/user-id.ts';
import { labelErasure } from '../../domain/workflow-labels.ts';
import { ERASE_USER, WORKFLOW_TASK_TIMEOUT, eraseWorkflowId } from '../../workflows/messages.ts';
import { actingKey } from '../acting-key.ts';
import { defineRoute } from '../define-route.ts';
import { ApiProblem } from '../problem-codes.ts';
import { userIdInPath } from '../schemas/common.ts';

/** The erasure stands in the rows; when Temporal does not answer in this time, `sweep` starts it. */
const DEADLINE_MS = 3_000;

export const eraseUserRoute = defineRoute({
  method: 'delete',
  path: '/v1/users/{userId}',
  operationId: 'eraseUser',
  tag: 'Users',
  summary: 'Erase a user',
  description:
    'Ends their runs and flows, deletes their connections at Composio, every row and the workflow executions. While it runs, calls about the user are 409 `user_erasing`; afterwards the id starts anew. Asked again while it runs, it is the same erasure.',
  scope: 'admin',
  params: z.strictObject({ userId: userIdInPath }),
  responses: {
    202: {
      description: 'The erasure runs.',
      body: z.strictObject({ erasureId: z.string() }).meta({ id: 'AcceptedErasure' }),
    },
  },
  problems: ['user_unknown'],
  handler: async ({ db, temporal, taskQueue }, { params, principal, requestId, log }) => {
    const { userId } = params;
    if (!isUserId(userId)) throw new ApiProblem('user_unknown');
    const begun = await asSystem(db, async (tx) => {
      const erasure = await beginErasure(tx, { id: newId(), userId });
      if (!erasure) throw new ApiProblem('user_unknown');
      const details = { erasureId: erasure.erasureId };
      if (erasure.isNew)
        await addLogEntry(tx, {
          by: actingKey({ principal, requestId }),
          action: 'user.erase_requested',
          details,
          userId,
        });
      return erasure;
    });
    const { erasureId } = begun;
    await temporal
      .withDeadline(Date.now() + DEADLINE_MS, async () => {
        await temporal.workflow.start(ERASE_USER, {
          workflowId: eraseWorkflowId(erasureId),
          taskQueue,
          args: [{ erasureId }],
          workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
          workflowIdConflictPolicy: 'USE_EXISTING',
          ...labelErasure(erasureId),
        });
      })
      .catch((error: unknown) =>
        log.warn({ err: error, erasureId }, 'an erasure could not be started yet; the sweep starts it'),
      );
    return { status: 202, body: { erasureId } };
  },
});
