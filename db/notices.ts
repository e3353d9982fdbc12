/** Notices to the integrator and the user, and their deliveries. A notice is written in the transaction of what it tells, once per key. */
import { sql } from 'kysely';
import type { JsonObject } from '../domain/json.ts';
import { type NoticeChannel, isMailed } from '../domain/notice.ts';
import type { NoticeType } from '../domain/statuses.ts';
import { newId } from './ids.ts';
import { PENDING_DELIVERY } from './open-rows.ts';
import type { AnyTx, SystemTx } from './scope.ts';

export type NewNotice = {
  readonly userId: string;
  readonly type: NoticeType;
  /** What makes this notice the same as another, e.g. its episode. */
  readonly dedupeKey: string;
  readonly app: string | null;
  readonly flowId: string | null;
  readonly runId: string | null;
  readonly data: JsonObject;
};

export type Notice = NewNotice & { readonly id: string; readonly createdAt: Date };

export type Delivery = {
  readonly id: string;
  readonly noticeId: string;
  readonly userId: string;
  readonly type: NoticeType;
  readonly channel: NoticeChannel;
  readonly status: 'pending' | 'delivered' | 'failed' | 'skipped';
  readonly attempts: number;
  readonly lastStatus: number | null;
  readonly lastError: string | null;
  readonly createdAt: Date;
  readonly deliveredAt: Date | null;
};

/**
 * One delivery per channel is put in line; by mail only what is the user's own business, and only to a user with an address.
 * @returns the id of the notice that this call wrote, or null when its key exists.
 */
export async function addNotice(
  tx: AnyTx,
  notice: NewNotice,
  channels: readonly NoticeChannel[],
): Promise<string | null> {
  const row = await tx
    .insertInto('notices')
    .values({
      id: newId(),
      user_id: notice.userId,
      type: notice.type,
      dedupe_key: notice.dedupeKey,
      app: notice.app,
      flow_id: notice.flowId,
      run_id: notice.runId,
      data: JSON.stringify(notice.data),
    })
    .onConflict((oc) => oc.column('dedupe_key').doNothing())
    .returning('id')
    .executeTakeFirst();
  if (!row) return null;
  for (const channel of channels) {
    if (channel === 'mail' && !isMailed(notice.type)) continue;
    await tx
      .insertInto('deliveries')
      .columns(['id', 'notice_id', 'user_id', 'channel'])
      .expression((eb) => {
        const user = eb
          .selectFrom('users')
          .select([
            sql<string>`${newId()}`.as('id'),
            sql<string>`${row.id}`.as('notice_id'),
            'user_id',
            sql<NoticeChannel>`${channel}`.as('channel'),
          ])
          .where('user_id', '=', notice.userId);
        return channel === 'mail' ? user.where('email', 'is not', null) : user;
      })
      .execute();
  }
  return row.id;
}

export async function getNotice(tx: AnyTx, noticeId: string): Promise<Notice | null> {
  const row = await tx.selectFrom('notices').selectAll().where('id', '=', noticeId).executeTakeFirst();
  if (!row) return null;
  return {
    id: row.id,
    userId: row.user_id,
    type: row.type,
    dedupeKey: row.dedupe_key,
    app: row.app,
    flowId: row.flow_id,
    runId: row.run_id,
    data: row.data,
    createdAt: row.created_at,
  };
}

export async function getDelivery(
  tx: AnyTx,
  noticeId: string,
  channel: NoticeChannel = 'webhook',
): Promise<Delivery | null> {
  const row = await deliveries(tx)
    .where('deliveries.notice_id', '=', noticeId)
    .where('channel', '=', channel)
    .executeTakeFirst();
  return row ? toDelivery(row) : null;
}

export type DeliveryRecord = {
  readonly status: Delivery['status'];
  /** The HTTP status, or the SMTP reply code. */
  readonly httpStatus: number | null;
  readonly error: string | null;
  /** Nothing was sent. */
  readonly isUntried?: boolean;
};

/** Records one attempt to deliver, or why there was none. */
export async function recordDelivery(
  tx: AnyTx,
  noticeId: string,
  outcome: DeliveryRecord,
  channel: NoticeChannel = 'webhook',
): Promise<void> {
  await tx
    .updateTable('deliveries')
    .set({
      status: outcome.status,
      attempts: sql<number>`attempts + ${outcome.isUntried === true ? 0 : 1}::integer`,
      last_status: outcome.httpStatus,
      last_error: outcome.error,
      updated_at: sql<Date>`now()`,
      delivered_at: outcome.status === 'delivered' ? sql<Date>`now()` : null,
    })
    .where('notice_id', '=', noticeId)
    .where('channel', '=', channel)
    .where('status', 'in', ['pending', 'failed'])
    .execute();
}

/**
 * Puts a delivery that was not received back in line; a delivered one stays as it is.
 * @returns the delivery as it is now, or null when there is none.
 */
export async function reopenDelivery(tx: SystemTx, deliveryId: string): Promise<Delivery | null> {
  await tx
    .updateTable('deliveries')
    .set({ status: 'pending', updated_at: sql<Date>`now()` })
    .where('id', '=', deliveryId)
    .where('status', '!=', 'delivered')
    .execute();
  const row = await deliveries(tx).where('deliveries.id', '=', deliveryId).executeTakeFirst();
  return row ? toDelivery(row) : null;
}

/** Which deliveries of these notices are in line. */
export async function listPendingChannels(
  tx: AnyTx,
  noticeIds: readonly string[],
): Promise<readonly { noticeId: string; channel: NoticeChannel }[]> {
  const rows = await tx
    .selectFrom('deliveries')
    .select(['notice_id', 'channel'])
    .where(sql<boolean>`notice_id = any(${noticeIds as string[]}::text[])`)
    .where('status', '=', 'pending')
    .orderBy('channel')
    .execute();
  return rows.map((row) => ({ noticeId: row.notice_id, channel: row.channel }));
}

export async function listDeliveries(
  tx: SystemTx,
  page: { status?: Delivery['status']; before: { createdAt: string; id: string } | null; limit: number },
): Promise<readonly { delivery: Delivery; createdAtText: string }[]> {
  let query = deliveries(tx)
    .select(sql<string>`deliveries.created_at::text`.as('created_at_text'))
    .orderBy('deliveries.created_at', 'desc')
    .orderBy('deliveries.id', 'desc')
    .limit(page.limit);
  if (page.status === 'pending') query = query.where(sql.raw<boolean>(PENDING_DELIVERY));
  else if (page.status !== undefined) query = query.where('deliveries.status', '=', page.status);
  const { before } = page;
  if (before) {
    query = query.where(
      sql<boolean>`(deliveries.created_at, deliveries.id) < (${before.createdAt}::timestamptz, ${before.id})`,
    );
  }
  return (await query.execute()).map((row) => ({
    delivery: toDelivery(row),
    createdAtText: row.created_at_text,
  }));
}

/**
 * Pending deliveries that nothing has touched for a while: their workflow may never have started. `untriedMs`: how long that
 * is for those without any attempt, which a workflow of their own would have made at once.
 */
export async function listStaleDeliveries(
  tx: SystemTx,
  page: { olderThanMs: number; untriedMs: number; limit: number },
): Promise<readonly { noticeId: string; userId: string; channel: NoticeChannel }[]> {
  const rows = await tx
    .selectFrom('deliveries')
    .select(['notice_id', 'user_id', 'channel'])
    .where(sql.raw<boolean>(PENDING_DELIVERY))
    .where(
      sql<boolean>`updated_at < now()
        - case when attempts = 0 then ${page.untriedMs}::float8 else ${page.olderThanMs}::float8 end * interval '1 millisecond'`,
    )
    .orderBy('updated_at')
    .limit(page.limit)
    .execute();
  return rows.map((row) => ({ noticeId: row.notice_id, userId: row.user_id, channel: row.channel }));
}

/** Somebody looked at these: the next look is at others, however many are in line. */
export async function touchDeliveries(tx: SystemTx, noticeIds: readonly string[]): Promise<void> {
  await tx
    .updateTable('deliveries')
    .set({ updated_at: sql<Date>`now()` })
    .where(sql<boolean>`notice_id = any(${noticeIds as string[]}::text[])`)
    .where('status', '=', 'pending')
    .execute();
}

/**
 * A user is mailed once per link. @returns those of these flows whose link this notice may mail: nobody's yet, or its own
 * from an attempt before.
 */
export async function claimFlowsForMail(
  tx: AnyTx,
  noticeId: string,
  flowIds: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await tx
    .updateTable('connection_flows')
    .set({ mail_notice_id: noticeId })
    .where(sql<boolean>`id = any(${flowIds as string[]}::text[])`)
    .where((eb) => eb.or([eb('mail_notice_id', 'is', null), eb('mail_notice_id', '=', noticeId)]))
    .returning('id')
    .execute();
  return new Set(rows.map((row) => row.id));
}

function deliveries(tx: AnyTx) {
  return tx
    .selectFrom('deliveries')
    .innerJoin('notices', 'notices.id', 'deliveries.notice_id')
    .selectAll('deliveries')
    .select('notices.type');
}

type DeliveryRow = NonNullable<Awaited<ReturnType<ReturnType<typeof deliveries>['executeTakeFirst']>>>;

function toDelivery(row: DeliveryRow): Delivery {
  return {
    id: row.id,
    noticeId: row.notice_id,
    userId: row.user_id,
    type: row.type,
    channel: row.channel,
    status: row.status,
    attempts: row.attempts,
    lastStatus: row.last_status,
    lastError: row.last_error,
    createdAt: row.created_at,
    deliveredAt: row.delivered_at,
  };
}
