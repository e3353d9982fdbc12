/**
 * Connect attempts: one per click, with a single-use state, the clicking browser's cookie and the Composio account that
 * was minted for it. A bad callback or a refusal costs an attempt, never the flow.
 */
import type { Selectable } from 'kysely';
import { sql } from 'kysely';
import type { AttemptStatus } from '../domain/statuses.ts';
import { newId, newSecret, sha256 } from './ids.ts';
import type { ConnectionAttemptsTable } from './schema.ts';
import type { AnyTx, UserTx } from './scope.ts';
import { type Statement, runStatement } from './statement.ts';

export type Attempt = {
  readonly id: string;
  readonly flowId: string;
  readonly userId: string;
  readonly app: string;
  readonly stateHash: Buffer;
  readonly cookieHash: Buffer;
  readonly accountId: string | null;
  readonly status: AttemptStatus;
  readonly reason: string | null;
  readonly createdAt: Date;
  /** Past its time, by the database's clock: a process whose own is wrong must not end it early. */
  readonly isOver: boolean;
  readonly activeSeenAt: Date | null;
  readonly acceptedBy: string | null;
  readonly codeHash: Buffer | null;
};

/** Composio's links live 10 minutes; two more for a consent at the last moment to come back or to be found by polling. */
export const ATTEMPT_LIFE = "interval '12 minutes'";

export type AttemptRow = Selectable<ConnectionAttemptsTable> & { readonly is_over: boolean };
const IS_OVER = sql<boolean>`expires_at <= now()`.as('is_over');

/** Attempts whose account may still become the flow's. */
export const LIVE_ATTEMPTS: readonly AttemptStatus[] = ['open', 'verified', 'awaiting_confirm'];

/** @returns the attempt with its two secrets in the clear: for the redirect and the cookie, never stored. */
export async function openAttempt(
  tx: UserTx,
  flow: { id: string; userId: string; app: string },
): Promise<{ attempt: Attempt; state: string; cookie: string }> {
  const state = newSecret();
  const cookie = newSecret();
  const row = await tx
    .insertInto('connection_attempts')
    .values({
      id: newId(),
      flow_id: flow.id,
      user_id: flow.userId,
      app: flow.app,
      state_hash: sha256(state),
      cookie_hash: sha256(cookie),
      account_id: null,
      reason: null,
      accepted_by: null,
      code_hash: null,
      expires_at: sql<Date>`now() + ${sql.raw(ATTEMPT_LIFE)}`,
    })
    .returningAll()
    .returning(IS_OVER)
    .executeTakeFirstOrThrow();
  return { attempt: toAttempt(row), state, cookie };
}

/** Stores the account that Composio minted for the attempt, before the browser leaves. */
export async function setAttemptAccount(tx: UserTx, attemptId: string, accountId: string): Promise<void> {
  await tx
    .updateTable('connection_attempts')
    .set({ account_id: accountId })
    .where('id', '=', attemptId)
    .execute();
}

/** A callback knows an attempt by its id in the path. */
export async function getAttempt(tx: AnyTx, attemptId: string): Promise<Attempt | null> {
  const row = await tx
    .selectFrom('connection_attempts')
    .selectAll()
    .select(IS_OVER)
    .where('id', '=', attemptId)
    .executeTakeFirst();
  return row ? toAttempt(row) : null;
}

/** Attempts of a flow, newest first. */
export async function listAttempts(tx: AnyTx, flowId: string): Promise<readonly Attempt[]> {
  const rows = await tx
    .selectFrom('connection_attempts')
    .selectAll()
    .select(IS_OVER)
    .where('flow_id', '=', flowId)
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .execute();
  return rows.map(toAttempt);
}

export type AttemptMove = {
  readonly from: readonly AttemptStatus[];
  readonly to: AttemptStatus;
  readonly reason?: string;
  readonly acceptedBy?: 'callback' | 'poll' | 'confirm';
  readonly codeHash?: Buffer;
};

const MOVE = `
  update connection_attempts set
    status = $2::text, reason = coalesce($4::text, reason), accepted_by = coalesce($5::text, accepted_by),
    code_hash = coalesce($6::bytea, code_hash)
  where id = $1::text and status = any($3::text[])
  returning id`;

/** Compare-and-set on the status. Gives whether it moved. */
export function movingAttempt(
  attemptId: string,
  { from, to, reason, acceptedBy, codeHash }: AttemptMove,
): Statement<boolean> {
  return {
    isPrepared: true,
    text: MOVE,
    values: [attemptId, to, from, reason ?? null, acceptedBy ?? null, codeHash ?? null],
    read: (rows) => rows.length > 0,
  };
}

export async function moveAttempt(tx: AnyTx, attemptId: string, move: AttemptMove): Promise<boolean> {
  return runStatement(tx, movingAttempt(attemptId, move));
}

/** Notes the first time that polling saw the account ACTIVE. @returns how long ago that was, milliseconds. */
export async function noteActiveSeen(tx: AnyTx, attemptId: string): Promise<number> {
  const row = await tx
    .updateTable('connection_attempts')
    .set({ active_seen_at: sql<Date>`coalesce(active_seen_at, now())` })
    .where('id', '=', attemptId)
    .returning(
      sql<number>`(extract(epoch from now() - coalesce(active_seen_at, now())) * 1000)::float8`.as('ms'),
    )
    .executeTakeFirstOrThrow();
  return row.ms;
}

export async function markAccountCleaned(tx: AnyTx, userId: string, accountId: string): Promise<void> {
  await tx
    .updateTable('connection_attempts')
    .set({ cleaned_at: sql<Date>`now()` })
    .where('user_id', '=', userId)
    .where('account_id', '=', accountId)
    .execute();
}

/**
 * A completed flow replaces the older accounts of this user and app that our flows opened: from now on they may not act.
 * Older only: this is repeated when a flow's end is, perhaps after a later flow has brought a newer account.
 */
export async function supersedeAccounts(
  tx: UserTx,
  of: { userId: string; app: string; flowId: string; keep: string },
): Promise<void> {
  await tx
    .updateTable('connection_attempts')
    .set({ status: 'superseded', reason: 'replaced' })
    .where('user_id', '=', of.userId)
    .where('app', '=', of.app)
    .where('status', '=', 'accepted')
    .where('account_id', '!=', of.keep)
    .where(
      sql<boolean>`(select theirs.ended_at <= mine.ended_at from connection_flows theirs, connection_flows mine
        where theirs.id = connection_attempts.flow_id and mine.id = ${of.flowId})`,
    )
    .execute();
}

/**
 * Attempts that are over and whose account is still at Composio: to be deleted there. `of` narrows to one user's app.
 * In no fixed order: accounts that Composio will not delete must not keep the others out of every page.
 */
export async function listUncleanAttempts(
  tx: AnyTx,
  page: { of?: { userId: string; app: string }; limit: number },
): Promise<readonly { userId: string; accountId: string }[]> {
  let query = tx
    .selectFrom('connection_attempts')
    .select(['user_id', 'account_id'])
    .where('account_id', 'is not', null)
    .where('cleaned_at', 'is', null)
    .where('status', 'in', ['failed', 'expired', 'superseded'])
    .orderBy(sql`random()`)
    .limit(page.limit);
  if (page.of) query = query.where('user_id', '=', page.of.userId).where('app', '=', page.of.app);
  const rows = await query.execute();
  return rows.map((row) => ({ userId: row.user_id, accountId: row.account_id ?? '' }));
}

/** Live attempts past their time: the link is dead and polling is over. @returns how many were ended. */
export async function expireAttempts(tx: AnyTx, flowId: string): Promise<number> {
  const done = await tx
    .updateTable('connection_attempts')
    .set({ status: 'expired', reason: 'timed_out' })
    .where('flow_id', '=', flowId)
    .where('status', 'in', [...LIVE_ATTEMPTS])
    .where('expires_at', '<', sql<Date>`now()`)
    .executeTakeFirst();
  return Number(done.numUpdatedRows);
}

/** Ends the (other) live attempts of a flow that has ended: what is consented to from now on can never act. */
export async function supersedeAttempts(tx: AnyTx, flowId: string, except: string | null): Promise<void> {
  let query = tx
    .updateTable('connection_attempts')
    .set({ status: 'superseded', reason: 'flow_ended' })
    .where('flow_id', '=', flowId)
    .where('status', 'in', [...LIVE_ATTEMPTS]);
  if (except !== null) query = query.where('id', '!=', except);
  await query.execute();
}

export function toAttempt(row: AttemptRow): Attempt {
  return {
    id: row.id,
    flowId: row.flow_id,
    userId: row.user_id,
    app: row.app,
    stateHash: row.state_hash,
    cookieHash: row.cookie_hash,
    accountId: row.account_id,
    status: row.status,
    reason: row.reason,
    createdAt: row.created_at,
    isOver: row.is_over,
    activeSeenAt: row.active_seen_at,
    acceptedBy: row.accepted_by,
    codeHash: row.code_hash,
  };
}
