/**
 * Receivers that answered 410: nothing more is sent to them until an operator retries a delivery, or another URL is
 * configured. Kept by digest, for a receiver's URL may hold a secret.
 */
import { createHash } from 'node:crypto';
import type { Statement } from './statement.ts';
import type { SystemTx } from './scope.ts';

const digestOf = (url: string): string => createHash('sha256').update(url).digest('hex');

export function isReceiverGone(url: string): Statement<boolean> {
  return {
    text: 'select 1 from gone_receivers where url_digest = $1',
    values: [digestOf(url)],
    read: (rows) => rows.length > 0,
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
