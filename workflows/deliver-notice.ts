/** Delivery of one notice, until the receiver has it or four days are over. The same `webhook-id` through all attempts. */
import { proxyActivities, setCurrentDetails, sleep } from '@temporalio/workflow';
import type { NoticeActivities } from '../activities/index.ts';
import type { DeliverNoticeInput } from './messages.ts';
import { DELIVERY_POLICY } from './policies.ts';

const notices = proxyActivities<NoticeActivities>(DELIVERY_POLICY);

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
  for (let attempt = 0; ; attempt += 1) {
    const wait = WAITS_MS[attempt];
    const outcome = await notices.deliverNotice({ ...input, isLast: wait === undefined });
    if (outcome.status !== 'retry') {
      setCurrentDetails(`${outcome.status} at attempt ${attempt + 1}`);
      return { status: outcome.status };
    }
    if (wait === undefined) return { status: 'failed' };
    setCurrentDetails(`attempt ${attempt + 1} failed (HTTP ${outcome.httpStatus ?? '–'})`);
    // Math.random is the workflow's own, seeded one.
    await sleep(Math.max(wait * (1 + JITTER * Math.random()), outcome.retryAfterMs ?? 0));
  }
}
