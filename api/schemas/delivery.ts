/** Deliveries of notices, as the API shows them. */
import { z } from 'zod';
import type { Delivery } from '../../db/notices.ts';
import { NOTICE_CHANNELS } from '../../domain/notice.ts';
import { NOTICE_TYPES } from '../../domain/statuses.ts';
import { time, toTime, toTimeOrNull } from './common.ts';

export const DELIVERY_STATUSES = [
  'pending',
  'delivered',
  'failed',
  'skipped',
] as const satisfies readonly Delivery['status'][];

export const deliverySchema = z
  .strictObject({
    id: z.string(),
    noticeId: z.string().meta({ description: 'The webhook-id (of mail: the Message-ID) of every attempt.' }),
    userId: z.string(),
    type: z.enum(NOTICE_TYPES),
    channel: z.enum(NOTICE_CHANNELS),
    status: z.enum(DELIVERY_STATUSES),
    attempts: z.int(),
    lastStatus: z
      .int()
      .nullable()
      .meta({ description: "The receiver's last HTTP status; of mail, the SMTP reply code." }),
    lastError: z.string().nullable().meta({
      description: 'Why it is not delivered: HTTP 500, ECONNREFUSED, timeout; or why it was skipped.',
    }),
    createdAt: time,
    deliveredAt: time.nullable(),
  })
  .meta({ id: 'Delivery' });

export function toDeliveryBody(delivery: Delivery): z.input<typeof deliverySchema> {
  return {
    id: delivery.id,
    noticeId: delivery.noticeId,
    userId: delivery.userId,
    type: delivery.type,
    channel: delivery.channel,
    status: delivery.status,
    attempts: delivery.attempts,
    lastStatus: delivery.lastStatus,
    lastError: delivery.lastError,
    createdAt: toTime(delivery.createdAt),
    deliveredAt: toTimeOrNull(delivery.deliveredAt),
  };
}
