/** Events of Composio's webhook: known by their `webhook-id`, pending until they were looked into. They span users: system role. */
import { sql } from 'kysely';
import type { WebhookEventOutcome } from '../domain/statuses.ts';
import type { SystemTx } from './scope.ts';
import type { Statement } from './statement.ts';

export type NewWebhookEvent = {
  readonly id: string;
  readonly type: string;
  /** Null when there is nothing to look into. */
  readonly accountId: string | null;
  /** Whose account it is, as the event has it: where to look first, never a proof. */
  readonly namedUser: string | null;
};
export type PendingWebhookEvent = {
  readonly id: string;
  readonly accountId: string;
  /** Whose account it is, as the event has it: where to look first, never a proof. */
  readonly namedUser: string | null;
};

/** Longer than senders of webhooks repeat (Standard Webhooks: four days). A later repetition is a hint like the first. */
const KNOWN_FOR = sql<Date>`now() - interval '7 days'`;
/** An event that fails so often, for so long, fails for a reason of its own; the audit sees what there is without it. */
const MOST_TRIES = 20;
const LONGEST = sql<Date>`now() - interval '1 day'`;

const ADD = `
insert into webhook_events (id, type, account_id, named_user, settled_at, outcome)
values ($1::text, $2::text, $3::text, $4::text,
  case when $3::text is null then clock_timestamp() end, case when $3::text is null then 'ignored' end)
on conflict (id) do nothing returning id`;

/** Gives whether it is new. */
export function addWebhookEvent(event: NewWebhookEvent): Statement<boolean> {
  return {
    text: ADD,
    values: [event.id, event.type, event.accountId, event.namedUser],
    read: (rows) => rows.length > 0,
  };
}

/** Events to look into now, each counted as tried: those that failed before come after those that did not. */
export async function takeWebhookEvents(
  tx: SystemTx,
  limit: number,
): Promise<readonly PendingWebhookEvent[]> {
  const rows = await tx
    .updateTable('webhook_events')
    .set({ tries: sql<number>`tries + 1` })
    .where('id', 'in', (eb) =>
      eb
        .selectFrom('webhook_events')
        .select('id')
        .where('settled_at', 'is', null)
        .orderBy('tries')
        .orderBy('received_at')
        .limit(limit),
    )
    .returning(['id', 'account_id', 'named_user'])
    .execute();
  return rows.map((row) => ({ id: row.id, accountId: row.account_id ?? '', namedUser: row.named_user }));
}

/** What they named is forgotten; that they were here is not. The first outcome stays. */
export async function settleWebhookEvents(
  tx: SystemTx,
  ids: readonly string[],
  outcome: WebhookEventOutcome,
): Promise<void> {
  if (ids.length === 0) return;
  await tx
    .updateTable('webhook_events')
    .set({ settled_at: sql<Date>`clock_timestamp()`, outcome, account_id: null, named_user: null })
    .where('id', '=', sql<string>`any(${ids as string[]}::text[])`)
    .where('settled_at', 'is', null)
    .execute();
}

/** Whether an event waits that long: whoever was to look into it may never have heard of it. */
export async function hasWebhookEvents(
  tx: SystemTx,
  { olderThanMs }: { olderThanMs: number },
): Promise<boolean> {
  const row = await tx
    .selectFrom('webhook_events')
    .select('id')
    .where('settled_at', 'is', null)
    .where('received_at', '<', sql<Date>`now() - ${olderThanMs} * interval '1 millisecond'`)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Gives up what fails without end, and forgets what nobody will repeat any more. @returns how many were forgotten. */
export async function pruneWebhookEvents(tx: SystemTx, limit: number): Promise<number> {
  await tx
    .updateTable('webhook_events')
    .set({ settled_at: sql<Date>`now()`, outcome: 'given_up', account_id: null, named_user: null })
    .where('settled_at', 'is', null)
    .where('tries', '>=', MOST_TRIES)
    .where('received_at', '<', LONGEST)
    .execute();
  const forgotten = await tx
    .deleteFrom('webhook_events')
    .where('id', 'in', (eb) =>
      eb
        .selectFrom('webhook_events')
        .select('id')
        .where('settled_at', 'is not', null)
        .where('received_at', '<', KNOWN_FOR)
        .limit(limit),
    )
    .executeTakeFirst();
  return Number(forgotten.numDeletedRows);
}
