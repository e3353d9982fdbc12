/**
 * The log of what operators and administrators did: entries are added, in the transaction of what they tell, and never
 * changed. An entry holds ids, names of keys and statuses; the user it is about and the person who decided stand in a row
 * of their own, which an erasure takes with the user.
 */
import { sql } from 'kysely';
import type { AdminAction } from '../domain/admin-actions.ts';
import type { SystemTx } from './scope.ts';

/** Which key asked, in which request. */
export type ActingKey = {
  readonly keyId: string;
  readonly keyName: string | null;
  readonly requestId: string;
};
export type NewLogEntry = {
  readonly by: ActingKey;
  readonly action: AdminAction;
  /** Ids of what was acted on, and what was decided. No text of a user's, an approver's or a model's. */
  readonly details: Readonly<Record<string, string>>;
  /** Whom it was about. */
  readonly userId?: string;
  /** Who decided, in the caller's words. Only with `userId`. */
  readonly actor?: string;
};
export type LogEntry = {
  readonly id: string;
  readonly at: Date;
  readonly action: AdminAction;
  readonly keyId: string;
  readonly keyName: string | null;
  readonly requestId: string;
  readonly details: Readonly<Record<string, string>>;
  /** Null where it was about nobody, or about somebody who was erased. */
  readonly userId: string | null;
  readonly actor: string | null;
};

export async function addLogEntry(tx: SystemTx, entry: NewLogEntry): Promise<void> {
  const { by } = entry;
  const { id } = await tx
    .insertInto('audit_log')
    .values({
      key_id: by.keyId,
      key_name: by.keyName,
      request_id: by.requestId,
      action: entry.action,
      details: JSON.stringify(entry.details),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  if (entry.userId === undefined) return;
  await tx
    .insertInto('audit_log_people')
    .values({ entry_id: id, user_id: entry.userId, actor: entry.actor ?? null })
    .execute();
}

/** Newest first. */
export async function listLogEntries(
  tx: SystemTx,
  page: { before: string | null; limit: number },
): Promise<readonly LogEntry[]> {
  let query = tx
    .selectFrom('audit_log')
    .leftJoin('audit_log_people', 'audit_log_people.entry_id', 'audit_log.id')
    .selectAll('audit_log')
    .select(['audit_log_people.user_id', 'audit_log_people.actor'])
    .orderBy('audit_log.id', 'desc')
    .limit(page.limit);
  if (page.before !== null) query = query.where('audit_log.id', '<', sql<number>`${page.before}::bigint`);
  return (await query.execute()).map((row) => ({
    id: String(row.id),
    at: row.at,
    action: row.action,
    keyId: row.key_id,
    keyName: row.key_name,
    requestId: row.request_id,
    details: row.details,
    userId: row.user_id,
    actor: row.actor,
  }));
}
