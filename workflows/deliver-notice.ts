/**
 * Delivery of one notice through one channel, until it is received or four days are over. The same `webhook-id`, or
 * Message-ID, through all attempts.
 */
import {
  condition,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { NoticeActivities } from '../activities/index.ts';
import { type DeliverNoticeInput, deliveryRetrySignal, noticesTaskQueue } from './messages.ts';
import { DELIVERY_POLICY } from './policies.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** Waits before the second and each further attempt, as Standard Webhooks recommends: about four days in all. */
const WAITS_MS = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];
/** Of each wait, at random: receivers that come back should not meet everybody at once. */
const JITTER = 0.2;

export async function deliverNotice(
  input: DeliverNoticeInput,
): Promise<{ status: 'delivered' | 'failed' | 'skipped' }> {
  const taskQueue = noticesTaskQueue(workflowInfo().taskQueue);
  const notices = proxyActivities<NoticeActivities>({ ...DELIVERY_POLICY, taskQueue });
  let isUrged = false;
  setHandler(deliveryRetrySignal, () => {
    isUrged = true;
  });
  for (let attempt = 0; ; attempt += 1) {
    const wait = WAITS_MS[attempt];
    const again = isUrged;
    isUrged = false;
    const number = `attempt ${attempt + 1}`;
    const outcome = await notices.deliverNotice.executeWithOptions({ summary: number }, [
      { ...input, isLast: wait === undefined, again },
    ]);
    if (outcome.status !== 'retry') {
      setCurrentDetails(`${outcome.status} at ${number}`);
      // Asked for while the last attempt was on its way.
      if (outcome.status !== 'failed' || !isUrged) return { status: outcome.status };
      attempt = -1;
      continue;
    }
    if (wait === undefined) return { status: 'failed' };
    setCurrentDetails(`${number} failed (${outcome.httpStatus ?? 'no answer'})`);
    // Math.random is the workflow's own, seeded one.
    const waitMs = Math.max(wait * (1 + JITTER * Math.random()), outcome.retryAfterMs ?? 0);
    const summary = `until attempt ${attempt + 2}`;
    if (await condition(() => isUrged, waitMs * (outcome.waitScale ?? 1), { summary })) attempt = -1;
  }
}
