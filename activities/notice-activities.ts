/** One attempt to deliver one notice through one channel. The workflow decides about further ones. */
import { Context } from '@temporalio/activity';
import { askReceiver, noteGoneReceiver } from '../db/gone-receivers.ts';
import { type DeliveryRecord, getDelivery, getNotice, recordDelivery } from '../db/notices.ts';
import { asSystem, asSystemOnce, forUser } from '../db/scope.ts';
import type { NoticeChannel } from '../domain/notice.ts';
import type { DeliverNoticeInput } from '../workflows/messages.ts';
import type { ActivityDeps } from './deps.ts';
import { goneFailure } from './failures.ts';
import { mailNotice } from './mail-notice.ts';
import type { Attempt, Ready } from './notice-attempt.ts';
import { describeNotice } from './notice-facts.ts';
import { type Post, createPost } from './post-notice.ts';
import { running } from './running.ts';
import { whyStale } from './stale-notice.ts';

export type DeliveryOutcome =
  | { readonly status: 'delivered' | 'failed' | 'skipped' }
  | {
      readonly status: 'retry';
      /** The HTTP status, or the SMTP reply code. */
      readonly httpStatus: number | null;
      readonly retryAfterMs: number | null;
      /** Of the schedule's waits. */
      readonly waitScale?: number;
    };

/** RFC 9110: gone, and probably for good. Standard Webhooks: the endpoint is to be disabled. */
const GONE = 410;

export function createNoticeActivities(deps: ActivityDeps) {
  const post = createPost();
  return {
    /** `again`: an operator asked for it, also when the row says that it has failed. */
    async deliverNotice(
      input: DeliverNoticeInput & { isLast: boolean; again?: boolean },
    ): Promise<DeliveryOutcome> {
      return running(async () => {
        const channel = input.channel ?? 'webhook';
        const prepared = await prepare(deps, input, channel);
        if ('settled' in prepared) return { status: prepared.settled };
        const attempt =
          'skipped' in prepared
            ? ({ kind: 'skipped', why: prepared.skipped } as const)
            : await (channel === 'mail' ? mailNotice(deps, prepared) : postNotice(deps, post, prepared));
        const { outcome, record } = judge(attempt, input.isLast);
        await forUser(deps.db, input.userId, (tx) => recordDelivery(tx, input.noticeId, record, channel));
        return outcome.status === 'retry'
          ? { ...outcome, waitScale: deps.settings.noticeWaitScale }
          : outcome;
      });
    },
  };
}

type Prepared =
  Ready | { readonly skipped: string } | { readonly settled: 'delivered' | 'failed' | 'skipped' };

async function prepare(
  deps: ActivityDeps,
  input: DeliverNoticeInput & { again?: boolean },
  channel: NoticeChannel,
): Promise<Prepared> {
  return forUser(deps.db, input.userId, async (tx) => {
    const notice = await getNotice(tx, input.noticeId);
    if (!notice) throw goneFailure('notice');
    const delivery = await getDelivery(tx, input.noticeId, channel);
    if (!delivery) return { settled: 'skipped' };
    // Started once more, by whoever could not know that it is over.
    const isOpen = delivery.status === 'pending' || (delivery.status === 'failed' && input.again === true);
    if (!isOpen) return { settled: delivery.status as 'delivered' | 'failed' | 'skipped' };
    const why = await whyStale(tx, notice);
    if (why !== null) return { skipped: why };
    return { notice, facts: await describeNotice(tx, notice, deps.settings) };
  });
}

async function postNotice(deps: ActivityDeps, post: Post, { notice, facts }: Ready): Promise<Attempt> {
  const receiver = deps.settings.webhook;
  if (receiver === null) return { kind: 'skipped', why: 'no receiver is configured' };
  const { isGone, now } = await asSystemOnce(deps.db, askReceiver(receiver.url));
  if (isGone) {
    const error = 'the receiver is gone (it answered 410); a retry tries it again';
    return { kind: 'failed', httpStatus: null, error, retryAfterMs: null, isFinal: true, isUntried: true };
  }
  const body = JSON.stringify({
    type: notice.type,
    timestamp: notice.createdAt.toISOString(),
    data: facts.data,
  });
  const { httpStatus, error, retryAfterMs } = await post(receiver, { id: notice.id, body, at: now });
  if (error === null) return { kind: 'delivered', httpStatus };
  if (httpStatus === GONE && (await asSystem(deps.db, (tx) => noteGoneReceiver(tx, receiver.url)))) {
    Context.current().log.warn(
      'the receiver of notices answered 410: nothing more is sent to it until a delivery is retried by the API, or BELLHOP_WEBHOOK_URL is another one',
      { noticeId: notice.id },
    );
  }
  return { kind: 'failed', httpStatus, error, retryAfterMs, isFinal: httpStatus === GONE };
}

function judge(attempt: Attempt, isLast: boolean): { outcome: DeliveryOutcome; record: DeliveryRecord } {
  switch (attempt.kind) {
    case 'delivered': {
      const record = { status: 'delivered' as const, httpStatus: attempt.httpStatus, error: null };
      return { outcome: { status: 'delivered' }, record };
    }
    case 'skipped': {
      const record = { status: 'skipped' as const, httpStatus: null, error: attempt.why, isUntried: true };
      return { outcome: { status: 'skipped' }, record };
    }
    case 'failed': {
      const { httpStatus, error, retryAfterMs, isUntried = false } = attempt;
      const isOver = isLast || attempt.isFinal;
      return {
        outcome: isOver ? { status: 'failed' } : { status: 'retry', httpStatus, retryAfterMs },
        record: { status: isOver ? 'failed' : 'pending', httpStatus, error, isUntried },
      };
    }
  }
}
