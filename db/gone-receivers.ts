/**
 * Receivers that answered 410: nothing more is sent to them until an operator retries a delivery, or another URL is
 * configured. Kept by digest, for a receiver's URL may hold a secret.
 */
import { createHash } from 'node:crypto';
import type { Statement } from './statement.ts';
import type { SystemTx } from './scope.ts';

const digestOf = (url: string): string => createHash('sha256').update(url).digest('hex');

/** `now`: the database's, which signatures carry. A worker whose clock is wrong would have each of its notices refused as old. */
export function askReceiver(url: string): Statement<{ readonly isGone: boolean; readonly now: Date }> {
  return {
    text: 'select exists (select from gone_receivers where url_digest = $1) as is_gone, clock_timestamp() as now',
    values: [digestOf(url)],
    read: ([row]) => {
      const { is_gone: isGone, now } = row as { is_gone: boolean; now: Date };
      return { isGone, now };
    },
  };
}

/** @returns whether this call was the first to say so. */
export async function noteGoneReceiver(tx: SystemTx, url: string): Promise<boolean> {
  const row = await tx
    .insertInto('gone_receivers')
    .values({ url_digest: digestOf(url) })
    .onConflict((oc) => oc.column('url_digest').doNothing())
    .returning('url_digest')
    .executeTakeFirst();
  return row !== undefined;
}

/** An operator wants deliveries again. All of them: there is one receiver, and rows of earlier URLs say nothing any more. */
export async function forgetGoneReceivers(tx: SystemTx): Promise<void> {
  await tx.deleteFrom('gone_receivers').execute();
}
