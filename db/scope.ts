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
import { type Step, Trip } from './trip.ts';

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
 * `forUser` for a single statement: one train of messages, one answer (trip.ts). When the role cannot be taken, or the statement
 * fails, the server refuses what follows and nothing of it has happened.
 */
export async function forUserOnce<T>(db: Database, userId: string, statement: Statement<T>): Promise<T> {
  return inOneTrip(db, { role: asUser(userId) }, statement);
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
  const lock = { ...LOCK, values: [lockName(userId, purpose)] };
  return inOneTrip(db, { role: asUser(userId), lock }, statement);
}

/** `forUserOnce` behind a statement that locks rows: what it locks cannot change under the statement, whose snapshot is taken after it. */
export async function forUserBehindLock<T>(
  db: Database,
  userId: string,
  lock: { readonly text: string; readonly values: readonly string[] },
  statement: Statement<T>,
): Promise<T> {
  return inOneTrip(
    db,
    { role: asUser(userId), lock: { ...step(lock.text), values: lock.values } },
    statement,
  );
}

/** Held until the transaction ends. Inlined as the user id is in `beginAs`. */
export function userLock(userId: string, purpose: 'admit'): string {
  return `select pg_advisory_xact_lock(hashtextextended('${lockName(userId, purpose)}', 0))`;
}

function lockName(userId: string, purpose: 'admit'): string {
  if (!isUserId(userId)) throw new RangeError('a user lock needs a user id');
  return `bellhop.${purpose}.${userId}`;
}

/** `asSystem` for a single statement, in the same way. */
export async function asSystemOnce<T>(db: Database, statement: Statement<T>): Promise<T> {
  return inOneTrip(db, { role: { steps: AS_SYSTEM, values: [] } }, statement);
}

/** What a trip does before its statement. */
type Before = {
  readonly role: { readonly steps: typeof AS_USER; readonly values: readonly string[] };
  readonly lock?: Step;
};

const step = (text: string): Omit<Step, 'values'> => ({ name: preparedName(text), text });
/**
 * A prepared statement's plan is made once and kept. PostgreSQL takes the larger of ours for cheaper when it plans them anew each time,
 * which costs more than they do; and of a table that is one page long when the plan is made, reading the whole looks cheapest, also
 * for as long as the plan is kept.
 */
const KEEP_PLANS =
  "set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true)";
/** As `set local`, which is only for transactions that began with a word of their own. */
const roleSteps = (settings: string) => ({
  planning: step(`select ${settings}`),
  keepingPlans: step(`select ${settings}, ${KEEP_PLANS}`),
});
const AS_USER = roleSteps(
  "set_config('role', 'bellhop_user', true), set_config('bellhop.user_id', $1, true)",
);
const AS_SYSTEM = roleSteps("set_config('role', 'bellhop_system', true)");
const LOCK = step('select pg_advisory_xact_lock(hashtextextended($1, 0))');

function asUser(userId: string): Before['role'] {
  if (!isUserId(userId)) throw new RangeError('forUserOnce needs a user id');
  return { steps: AS_USER, values: [userId] };
}

async function inOneTrip<T>(db: Database, before: Before, statement: Statement<T>): Promise<T> {
  return untilNoDeadlock(async () => {
    try {
      return await makeTrip(db, before, statement);
    } catch (error) {
      if (!db.prepares || !isSessionChanged(error)) throw error;
      // Behind a pooler that nobody told us of. Nothing was done: the statement was refused, and its transaction with it.
      db.prepares = false;
      return await makeTrip(db, before, statement);
    }
  });
}

async function makeTrip<T>(db: Database, { role, lock }: Before, statement: Statement<T>): Promise<T> {
  const { text, values, isPrepared } = statement;
  const keeps = db.prepares;
  const isKept = keeps && isPrepared === true;
  const asRole = { ...role.steps[isKept ? 'keepingPlans' : 'planning'], values: role.values };
  const client = await db.pool.connect();
  const rows = await new Promise<readonly unknown[]>((resolve, reject) => {
    const trip = new Trip(
      lock ? [asRole, lock] : [asRole],
      { text, values: [...values], ...(isKept ? { name: preparedName(text) } : {}) },
      {
        keeps,
        done(error, result) {
          client.release(error !== null && (trip.isFirst || !isStatementError(error)) ? error : undefined);
          if (error === null) resolve(result.rows);
          else reject(error);
        },
      },
    );
    client.query(trip as unknown as pg.Submittable);
  });
  return statement.read(rows);
}

/**
 * Of the statement, not of the session: after FATAL the server closes the connection, and the next who got it would meet that.
 * A server that translates its words costs a new connection for each error.
 */
function isStatementError(error: Error): boolean {
  return 'severity' in error && error.severity === 'ERROR';
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
  return untilNoDeadlock(() => tryTransaction(db, begin, work));
}

async function untilNoDeadlock<T>(transact: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await transact();
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
