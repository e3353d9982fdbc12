/** Notices and their deliveries, as whoever writes one makes them: the row first, then the workflow. */
import { randomUUID } from 'node:crypto';
import { type Delivery, type NewNotice, addNotice, getDelivery } from '../../db/notices.ts';
import { forUser } from '../../db/scope.ts';
import type { NoticeChannel } from '../../domain/notice.ts';
import { DELIVER_NOTICE, deliveryRetrySignal, noticeWorkflowId } from '../../workflows/messages.ts';
import type { TestBellhop } from './bellhop.ts';

export function createNotices(bellhop: TestBellhop) {
  const write = async (
    userId: string,
    notice: Partial<NewNotice> = {},
    channels: readonly NoticeChannel[] = ['webhook'],
  ): Promise<string> => {
    const full: NewNotice = {
      userId,
      type: 'run.failed',
      dedupeKey: randomUUID(),
      app: null,
      flowId: null,
      runId: null,
      data: {},
      ...notice,
    };
    const id = await forUser(bellhop.db, userId, (tx) => addNotice(tx, full, channels));
    if (id === null) throw new Error(`there is a notice of ${full.dedupeKey}`);
    return id;
  };
  const optionsOf = (userId: string, noticeId: string, channel: NoticeChannel) => ({
    workflowId: noticeWorkflowId(noticeId, channel),
    taskQueue: bellhop.taskQueue,
    args: [{ noticeId, userId, channel }] as [object],
  });
  const start = (userId: string, noticeId: string, channel: NoticeChannel = 'webhook') =>
    bellhop.client.workflow.start(DELIVER_NOTICE, optionsOf(userId, noticeId, channel));
  return {
    write,
    start,
    notify: async (userId: string, notice: Partial<NewNotice> = {}): Promise<string> => {
      const noticeId = await write(userId, notice);
      await start(userId, noticeId);
      return noticeId;
    },
    /** What POST /v1/deliveries/{id}/retry tells a delivery. */
    urge: (userId: string, noticeId: string, channel: NoticeChannel = 'webhook') =>
      bellhop.client.workflow.signalWithStart(DELIVER_NOTICE, {
        ...optionsOf(userId, noticeId, channel),
        signal: deliveryRetrySignal,
        signalArgs: [],
      }),
    resultOf: (noticeId: string, channel: NoticeChannel = 'webhook'): Promise<unknown> =>
      bellhop.client.workflow.getHandle(noticeWorkflowId(noticeId, channel)).result(),
    deliveryOf: (
      userId: string,
      noticeId: string,
      channel: NoticeChannel = 'webhook',
    ): Promise<Delivery | null> => forUser(bellhop.db, userId, (tx) => getDelivery(tx, noticeId, channel)),
    /** How long each wait of a delivery was to be, ms. */
    waitsOf: async (noticeId: string): Promise<readonly number[]> => {
      const { events } = await bellhop.client.workflow.getHandle(noticeWorkflowId(noticeId)).fetchHistory();
      return (events ?? []).flatMap(({ timerStartedEventAttributes: timer }) => {
        if (!timer?.startToFireTimeout) return [];
        const { seconds, nanos } = timer.startToFireTimeout;
        return [Number(seconds ?? 0) * 1_000 + (nanos ?? 0) / 1e6];
      });
    },
  };
}
