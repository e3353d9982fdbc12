/**
 * Whose rows a transaction may see. The tables' owner sees none (FORCE ROW LEVEL SECURITY), so all work goes through here:
 * `forUser` for what belongs to one user, `asSystem` for work that spans users (audit, sweep, key look-up, callback,
 * webhook, lists). Both set role and user for this transaction only; nothing outlives it.
 */
import { type Kysely, sql } from 'kysely';
import type pg from 'pg';
import { isUserId } from '../domain/user-id.ts';
import type { Database } from './pool.ts';
import type { Schema } from './schema.ts';
import { type Statement, isSessionChanged, preparedName } from './statement.ts';

/** A transaction that sees one user's rows. The brand keeps it from being mixed up with a system transaction. */
export type UserTx = Kysely<Schema> & { readonly __scope?: 'user' };
/** A transaction that sees all users' rows. */
export type SystemTx = Kysely<Schema> & { readonly __scope?: 'system' };
export type AnyTx = UserTx | SystemTx;

/** @throws RangeError for an id that names nobody: it must never become a query without a filter. */
export async function forUser<T>(db: Database, userId: string, work: (tx: UserTx) => Promise<T>): Promise<T> {
  return inTransaction(db, beginAs(userId), work);
}

/**
 * `forUser` for a single statement: begin, statement and commit leave together, one round trip instead of three. When the
 * begin fails, the server refuses what follows; when the statement fails, it answers the commit with a rollback.
 */
export async function forUserOnce<T>(db: Database, userId: string, statement: Statement<T>): Promise<T> {
  return inOneTrip(db, beginAs(userId), statement);
}

/**
 * `forUserOnce`, one after the other for each user and purpose: what the statement counts cannot change under it, for the
 * lock is taken before the statement's snapshot.
 */
export async function forUserInTurn<T>(
  db: Database,
  userId: string,
  purpose: 'admit',
  statement: Statement<T>,
): Promise<T> {
  return inOneTrip(db, `${beginAs(userId)}; ${userLock(userId, purpose)}`, statement);
}

/** Held until the transaction ends. Inlined as the user id is in `beginAs`. */
export function userLock(userId: string, purpose: 'admit'): string {
  if (!isUserId(userId)) throw new RangeError('a user lock needs a user id');
  return `select pg_advisory_xact_lock(hashtextextended('bellhop.${purpose}.${userId}', 0))`;
}

/** `asSystem` for a single statement, in the same way. */
export async function asSystemOnce<T>(db: Database, statement: Statement<T>): Promise<T> {
  return inOneTrip(db, BEGIN_AS_SYSTEM, statement);
}

async function inOneTrip<T>(db: Database, begin: string, statement: Statement<T>): Promise<T> {
  if (!db.prepares || !statement.isPrepared) return await makeTrip(db, begin, statement, false);
  try {
    return await makeTrip(db, begin, statement, true);
  } catch (error) {
    if (!isSessionChanged(error)) throw error;
    // Behind a pooler that nobody told us of. Nothing was done: the statement was refused, and its transaction with it.
    db.prepares = false;
    return await makeTrip(db, begin, statement, false);
  }
}

function toQuery({ text, values }: Statement<unknown>, isPrepared: boolean): pg.QueryConfig {
  return { text, values: [...values], ...(isPrepared ? { name: preparedName(text) } : {}) };
}

async function makeTrip<T>(
  db: Database,
  begin: string,
  statement: Statement<T>,
  isPrepared: boolean,
): Promise<T> {
  const client = await db.pool.connect();
  const rows = await new Promise<readonly unknown[]>((resolve, reject) => {
    let failure = null as Error | null;
    let rows: readonly unknown[] = [];
    // Corked, the three are one write to the socket: most of what a statement costs this process is that system call.
    const { stream } = client.connection;
    stream.cork();
    try {
      // Answers come in the order of the requests, errors of a lost connection too: the commit's is the last.
      client.query(begin, (error: Error | null) => {
        failure = error;
      });
      client.query(toQuery(statement, isPrepared), (error: Error | null, result) => {
        failure ??= error;
        if (!error) ({ rows } = result);
      });
      client.query('commit', (error: Error | null, result) => {
        client.release(error ?? undefined);
        if (failure ?? error) reject((failure ?? error) as Error);
        else if (result.command !== 'COMMIT') reject(new Error('the transaction was rolled back'));
        else resolve(rows);
      });
    } finally {
      stream.uncork();
    }
  });
  return statement.read(rows);
}

/** Inlined, so that it is one round trip; the characters of a user id hold no quote and no backslash. */
function beginAs(userId: string): string {
  if (!isUserId(userId)) throw new RangeError('forUser needs a user id');
  return `begin; set local role bellhop_user; set local bellhop.user_id = '${userId}'`;
}

const BEGIN_AS_SYSTEM = 'begin; set local role bellhop_system';

export async function asSystem<T>(db: Database, work: (tx: SystemTx) => Promise<T>): Promise<T> {
  return inTransaction(db, BEGIN_AS_SYSTEM, work);
}

/** A statement that spans users inside a user's transaction, for what must be written together or not at all. */
export async function asSystemWithin<T>(tx: UserTx, work: (tx: SystemTx) => Promise<T>): Promise<T> {
  await sql`set local role bellhop_system`.execute(tx);
  // When it throws the transaction is over, and the role with it.
  const result = await work(tx as Kysely<Schema>);
  await sql`set local role bellhop_user`.execute(tx);
  return result;
}

/** PostgreSQL's `deadlock_detected`: of two that wait for each other it ends one, whose every change is undone. */
const DEADLOCK = '40P01';
/** Rows are taken in one order (flow, attempt, account, episode), so that this is rare; it must not be a caller's error. */
const MOST_TRIES = 4;

/** One transaction, once more from the start when it was the one that a deadlock ended: so `work` changes nothing outside it. */
async function inTransaction<T>(
  db: Database,
  begin: string,
  work: (tx: Kysely<Schema>) => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await tryTransaction(db, begin, work);
    } catch (error) {
      if (tries >= MOST_TRIES || (error as { code?: unknown } | null)?.code !== DEADLOCK) throw error;
    }
  }
}

/** One connection, one transaction. What `SET LOCAL` set ends with it, also when `work` throws. */
async function tryTransaction<T>(
  db: Database,
  begin: string,
  work: (tx: Kysely<Schema>) => Promise<T>,
): Promise<T> {
  return db.connection().execute(async (tx) => {
    await sql.raw(begin).execute(tx);
    let result: T;
    try {
      result = await work(tx);
    } catch (error) {
      // A connection that is broken cannot roll back, and need not: the server does. The first error is the one to tell.
      await sql
        .raw('rollback')
        .execute(tx)
        .catch(() => undefined);
      throw error;
    }
    const { rows } = await sql.raw<{ command: string }>('commit').execute(tx);
    // After a statement that failed and was swallowed, PostgreSQL answers a commit with a rollback, and no error.
    if (rows[0]?.command !== 'COMMIT') throw new Error('the transaction was rolled back');
    return result;
  });
}
