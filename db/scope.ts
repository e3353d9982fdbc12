/**
 * Whose rows a transaction may see. The tables' owner sees none (FORCE ROW LEVEL SECURITY), so all work goes through here:
 * `forUser` for what belongs to one user, `asSystem` for work that spans users (audit, sweep, key look-up, callback,
 * webhook, lists). Both set role and user for this transaction only; nothing outlives it.
 */
import { type Transaction, sql } from 'kysely';
import { isUserId } from '../domain/user-id.ts';
import type { Database } from './pool.ts';
import type { Schema } from './schema.ts';

/** A transaction that sees one user's rows. The brand keeps it from being mixed up with a system transaction. */
export type UserTx = Transaction<Schema> & { readonly __scope?: 'user' };
/** A transaction that sees all users' rows. */
export type SystemTx = Transaction<Schema> & { readonly __scope?: 'system' };
export type AnyTx = UserTx | SystemTx;

/** @throws RangeError for an id that names nobody: it must never become a query without a filter. */
export async function forUser<T>(db: Database, userId: string, work: (tx: UserTx) => Promise<T>): Promise<T> {
  if (!isUserId(userId)) throw new RangeError('forUser needs a user id');
  return db.transaction().execute(async (tx) => {
    await sql`select set_config('role', 'bellhop_user', true), set_config('bellhop.user_id', ${userId}, true)`.execute(
      tx,
    );
    return work(tx as UserTx);
  });
}

export async function asSystem<T>(db: Database, work: (tx: SystemTx) => Promise<T>): Promise<T> {
  return db.transaction().execute(async (tx) => {
    await sql`select set_config('role', 'bellhop_system', true)`.execute(tx);
    return work(tx as SystemTx);
  });
}
