/** POST /v1/deliveries/{deliveryId}/retry: tries a delivery now and the whole schedule anew, under the same webhook-id. */
import { z } from 'zod';
import { addLogEntry } from '../../db/audit-log.ts';
import { forgetGoneReceivers } from '../../db/gone-receivers.ts';
import { type Delivery, reopenDelivery } from '../../db/notices.ts';
import { asSystem } from '../../db/scope.ts';
import { labelDelivery } from '../../domain/workflow-labels.ts';
import type { DeliverNoticeInput } from '../../workflows/messages.ts';
import {
  DELIVER_NOTICE,
  WORKFLOW_TASK_TIMEOUT,
  deliveryRetrySignal,
  noticeWorkflowId,
} from '../../workflows/messages.ts';
import { actingKey } from '../acting-key.ts';
import type { ApiDeps } from '../deps.ts';
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
    'Tries a delivery that has failed, was skipped or is still pending at once, and then by the whole schedule again. A receiver that had answered 410 is tried again. One that was delivered is not sent twice: it is answered as it is.',
  scope: 'operator',
  params: z.strictObject({ deliveryId: id('delivery') }),
  responses: { 202: { description: 'The delivery as it is now.', body: deliverySchema } },
  problems: ['not_found'],
  handler: async ({ db, temporal, taskQueue }, { params, principal, requestId, log }) => {
    const delivery = await asSystem(db, async (tx) => {
      const found = await reopenDelivery(tx, params.deliveryId);
      if (found?.status !== 'pending') return found;
      if (found.channel === 'webhook') await forgetGoneReceivers(tx);
      await addLogEntry(tx, {
        by: actingKey({ principal, requestId }),
        action: 'delivery.retried',
        details: { deliveryId: found.id, noticeId: found.noticeId },
        userId: found.userId,
      });
      return found;
    });
    if (!delivery) throw new ApiProblem('not_found');
    if (delivery.status === 'pending') {
      await urge({ temporal, taskQueue }, delivery).catch((error: unknown) =>
        log.warn({ err: error, noticeId: delivery.noticeId }, 'a retry could not be started yet'),
      );
    }
    return { status: 202, body: toDeliveryBody(delivery) };
  },
});

/** Tells the delivery that runs, between two attempts perhaps, or starts it anew: never two at once. */
async function urge(
  { temporal, taskQueue }: Pick<ApiDeps, 'temporal' | 'taskQueue'>,
  { noticeId, userId, channel }: Delivery,
): Promise<void> {
  const input: DeliverNoticeInput = { noticeId, userId, ...(channel === 'webhook' ? {} : { channel }) };
  await temporal.withDeadline(Date.now() + DEADLINE_MS, async () => {
    await temporal.workflow.signalWithStart(DELIVER_NOTICE, {
      workflowId: noticeWorkflowId(noticeId, channel),
      taskQueue,
      args: [input],
      workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
      workflowIdConflictPolicy: 'USE_EXISTING',
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      signal: deliveryRetrySignal,
      signalArgs: [],
      ...labelDelivery({ noticeId, userId, channel }),
    });
  });
}
