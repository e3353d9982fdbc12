/** Connection flows: one open per user and app, which the partial unique index decides. Its link lives as long as it is open. */
import type { Selectable } from 'kysely';
import { sql } from 'kysely';
import type { FlowStatus } from '../domain/statuses.ts';
import { newId, newSecret } from './ids.ts';
import { OPEN_FLOW } from './open-rows.ts';
import type { ConnectionFlowsTable } from './schema.ts';
import type { AnyTx, SystemTx, UserTx } from './scope.ts';
import { runStatement } from './statement.ts';

export type Flow = {
  readonly id: string;
  readonly userId: string;
  readonly app: string;
  readonly appName: string;
  readonly status: FlowStatus;
  readonly reason: string | null;
  /** Asked for although an account works: only an account of this flow's own attempts completes it. */
  readonly reconnect: boolean;
  /** An execution with it was refused although Composio calls it ACTIVE: while the flow is open it satisfies nothing. */
  readonly refusedAccountId: string | null;
  readonly returnUrl: string | null;
  /** The bearer part of `connectUrl`. Never logged, never in history. */
  readonly token: string;
  readonly accountId: string | null;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly endedAt: Date | null;
  readonly lastGoAt: Date | null;
};

export type NewFlow = {
  readonly userId: string;
  readonly app: string;
  readonly appName: string;
  readonly reconnect: boolean;
  readonly refusedAccountId?: string | null;
  readonly returnUrl: string | null;
  readonly timeoutMs: number;
};

export type OpenedFlow = {
  readonly flow: Flow;
  readonly isNew: boolean;
  /**
   * Whoever saw no working account just now has seen all there is: no flow of this user and app was completed lately, or this one was
   * open already, and who completes it comes after this transaction and sees what it has registered.
   */
  readonly isQuiet: boolean;
};

/** A flow that was completed after the caller had read the accounts was so a moment ago: no read takes this long. */
const LATELY = sql`interval '5 minutes'`;

/**
 * Insert or return: the open flow of this user and app. A second call lengthens its life to the longest wait asked for,
 * and can only add to it (a return URL where none was, `reconnect` once asked for stays).
 */
export async function openFlow(tx: UserTx, flow: NewFlow): Promise<OpenedFlow> {
  const row = await tx
    .insertInto('connection_flows')
    .values({
      id: newId(),
      user_id: flow.userId,
      app: flow.app,
      app_name: flow.appName,
      reconnect: flow.reconnect,
      refused_account_id: flow.refusedAccountId ?? null,
      return_url: flow.returnUrl,
      token: newSecret(),
      expires_at: sql<Date>`now() + ${flow.timeoutMs} * interval '1 millisecond'`,
    })
    .onConflict((oc) =>
      oc
        .columns(['user_id', 'app'])
        .where('status', '=', 'open')
        .doUpdateSet({
          expires_at: sql<Date>`greatest(connection_flows.expires_at, excluded.expires_at)`,
          return_url: sql<string | null>`coalesce(connection_flows.return_url, excluded.return_url)`,
          reconnect: sql<boolean>`connection_flows.reconnect or excluded.reconnect`,
          refused_account_id: sql<
            string | null
          >`coalesce(excluded.refused_account_id, connection_flows.refused_account_id)`,
        }),
    )
    .returningAll()
    .returning(sql<boolean>`xmax = 0`.as('is_new'))
    .executeTakeFirstOrThrow();
  const opened = toFlow(row);
  // Not in the statement above: it may have waited for the very transaction that completes the earlier flow, and does not see it.
  const isQuiet = !row.is_new || !(await wasCompletedLately(tx, opened));
  return { flow: opened, isNew: row.is_new, isQuiet };
}

async function wasCompletedLately(tx: UserTx, { userId, app }: Flow): Promise<boolean> {
  const earlier = await tx
    .selectFrom('connection_flows')
    .select('id')
    .where('user_id', '=', userId)
    .where('app', '=', app)
    .where('status', '=', 'completed')
    .where('ended_at', '>', sql<Date>`now() - ${LATELY}`)
    .limit(1)
    .executeTakeFirst();
  return earlier !== undefined;
}

export async function getFlow(tx: AnyTx, flowId: string): Promise<Flow | null> {
  const row = await tx.selectFrom('connection_flows').selectAll().where('id', '=', flowId).executeTakeFirst();
  return row ? toFlow(row) : null;
}

/** The connect pages know a flow by its token only. `isOver`: past its time, by the database's clock. */
export async function getFlowByToken(
  tx: SystemTx,
  token: string,
): Promise<(Flow & { readonly isOver: boolean }) | null> {
  const row = await tx
    .selectFrom('connection_flows')
    .selectAll()
    .select(sql<boolean>`expires_at <= now()`.as('is_over'))
    .where('token', '=', token)
    .executeTakeFirst();
  return row ? { ...toFlow(row), isOver: row.is_over } : null;
}

export async function listOpenFlows(tx: AnyTx, userId: string): Promise<readonly Flow[]> {
  const rows = await tx
    .selectFrom('connection_flows')
    .selectAll()
    .where('user_id', '=', userId)
    .where('status', '=', 'open')
    .execute();
  return rows.map(toFlow);
}

export async function noteFlowClicked(tx: AnyTx, flowId: string): Promise<void> {
  await tx
    .updateTable('connection_flows')
    .set({ last_go_at: sql<Date>`now()` })
    .where('id', '=', flowId)
    .execute();
}

/**
 * Of a `with`: `done` is the flow, if it was open and `condition` holds; `account` is what is known of its account from then on. They
 * take the flow's id as $1, the account's as $2.
 */
export const completing = (condition = 'true'): string => `
  done as (
    update connection_flows set status = 'completed', account_id = $2::text, ended_at = now()
    where id = $1::text and status = 'open' and ${condition}
    returning id, user_id, app
  ), account as (
    insert into connections
      (user_id, account_id, app, status, status_reason, disabled, flow_id, verified_at, connected_at)
    select user_id, $2::text, app, 'ACTIVE', null, false, id, now(), now() from done
    on conflict (user_id, account_id) do update set
      status = 'ACTIVE', status_reason = null, verified_at = now(), refused_at = null, last_checked_at = now(),
      connected_at = coalesce(connections.connected_at, now()),
      flow_id = coalesce(connections.flow_id, (
        select a.flow_id from connection_attempts a
        where a.account_id = excluded.account_id and a.user_id = excluded.user_id limit 1))
  )`;

const COMPLETE = `with ${completing()} select from done`;

/** Completes an open flow with an account that Composio showed to be this user's, this app's and ACTIVE. @returns whether this call did. */
export async function completeFlow(
  tx: UserTx,
  { id }: { readonly id: string },
  accountId: string,
): Promise<boolean> {
  return runStatement(tx, { text: COMPLETE, values: [id, accountId], read: (rows) => rows.length > 0 });
}

/**
 * Ends an open flow without an account. One whose life was lengthened since the caller looked does not expire: a run has
 * just joined it. @returns whether this call did.
 */
export async function endFlow(
  tx: AnyTx,
  flowId: string,
  status: 'expired' | 'cancelled',
  reason: string,
): Promise<boolean> {
  let query = tx
    .updateTable('connection_flows')
    .set({ status, reason, ended_at: sql<Date>`now()` })
    .where('id', '=', flowId)
    .where('status', '=', 'open');
  if (status === 'expired') query = query.where('expires_at', '<=', sql<Date>`now()`);
  const done = await query.executeTakeFirst();
  return done.numUpdatedRows > 0n;
}

/** Open flows that nobody's workflow will end: past their time, for `sweep`. */
export async function listOverdueFlows(tx: SystemTx, limit: number): Promise<readonly Flow[]> {
  const rows = await tx
    .selectFrom('connection_flows')
    .selectAll()
    .where(sql.raw<boolean>(OPEN_FLOW))
    // The flow's own workflow gets a minute to end it first.
    .where('expires_at', '<', sql<Date>`now() - interval '1 minute'`)
    .orderBy('expires_at')
    .limit(limit)
    .execute();
  return rows.map(toFlow);
}

/** A keyset page of open flows, for the hourly pass. */
export async function pageOpenFlows(
  tx: SystemTx,
  page: { after: string | null; limit: number },
): Promise<readonly Flow[]> {
  let query = tx
    .selectFrom('connection_flows')
    .selectAll()
    .where('status', '=', 'open')
    .orderBy('id')
    .limit(page.limit);
  if (page.after !== null) query = query.where('id', '>', page.after);
  return (await query.execute()).map(toFlow);
}

export function toFlow(row: Selectable<ConnectionFlowsTable>): Flow {
  return {
    id: row.id,
    userId: row.user_id,
    app: row.app,
    appName: row.app_name,
    status: row.status,
    reason: row.reason,
    reconnect: row.reconnect,
    refusedAccountId: row.refused_account_id,
    returnUrl: row.return_url,
    token: row.token,
    accountId: row.account_id,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    endedAt: row.ended_at,
    lastGoAt: row.last_go_at,
  };
}
