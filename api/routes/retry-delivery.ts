/** POST /v1/deliveries/{deliveryId}/retry: puts a delivery that has failed back in line, under the same webhook-id. */
import { z } from 'zod';
import { getDelivery, reopenDelivery } from '../../db/notices.ts';
import { asSystem } from '../../db/scope.ts';
import type { DeliverNoticeInput } from '../../workflows/messages.ts';
import { DELIVER_NOTICE, WORKFLOW_TASK_TIMEOUT, noticeWorkflowId } from '../../workflows/messages.ts';
import { defineRoute } from '../define-route.ts';
import { ApiProblem } from '../problem-codes.ts';
import { id } from '../schemas/common.ts';
import { deliverySchema, toDeliveryBody } from '../schemas/delivery.ts';

// The row is in line already; when Temporal does not answer in this time, `sweep` starts the delivery.
const DEADLINE_MS = 3_000;

export const retryDeliveryRoute = defineRoute({
  method: 'post',
  path: '/v1/deliveries/{deliveryId}/retry',
  operationId: 'retryDelivery',
  tag: 'Notices',
  summary: 'Deliver again',
  description:
    'For a delivery that has failed or is still pending; one that was delivered is not sent twice (404).',
  scope: 'operator',
  params: z.strictObject({ deliveryId: id('delivery') }),
  responses: { 202: { description: 'The delivery, in line again.', body: deliverySchema } },
  problems: ['not_found'],
  handler: async ({ db, temporal, taskQueue }, { params, log }) => {
    const { reopened, delivery } = await asSystem(db, async (tx) => {
      const found = await reopenDelivery(tx, params.deliveryId);
      return { reopened: found, delivery: found && (await getDelivery(tx, found.noticeId)) };
    });
    if (!reopened || !delivery) throw new ApiProblem('not_found');
    const input: DeliverNoticeInput = reopened;
    await temporal
      .withDeadline(Date.now() + DEADLINE_MS, async () => {
        await temporal.workflow.start(DELIVER_NOTICE, {
          workflowId: noticeWorkflowId(reopened.noticeId),
          taskQueue,
          args: [input],
          workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
          workflowIdConflictPolicy: 'USE_EXISTING',
          workflowIdReusePolicy: 'ALLOW_DUPLICATE',
        });
      })
      .catch((error: unknown) =>
        log.warn({ err: error, noticeId: reopened.noticeId }, 'a retry could not be started yet'),
      );
    return { status: 202, body: toDeliveryBody(delivery) };
  },
});
