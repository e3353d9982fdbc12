/** What was last seen of a user's connected accounts. Composio decides; these rows tell when it cannot be asked. */
import { sql } from 'kysely';
import type { AccountKnowledge, ConnectedAccount } from '../domain/gate.ts';
import { storableText } from '../domain/json.ts';
import type { ConnectionStatus } from '../domain/statuses.ts';
import type { AnyTx, UserTx } from './scope.ts';
import { runStatement } from './statement.ts';

export type StoredConnection = {
  readonly accountId: string;
  readonly app: string;
  readonly status: ConnectionStatus;
  readonly statusReason: string | null;
  readonly disabled: boolean;
  readonly flowId: string | null;
  readonly verifiedAt: Date | null;
  readonly connectedAt: Date | null;
  readonly lastCheckedAt: Date;
};

/** Records what Composio just showed. `connected_at` is when the account was first seen ACTIVE, or made if it was so at first sight. */
export async function recordConnections(
  tx: AnyTx,
  userId: string,
  accounts: readonly ConnectedAccount[],
): Promise<void> {
  if (accounts.length === 0) return;
  // A list that changes while it is paged shows an account twice, and one statement may not update a row twice.
  const distinct = new Map(accounts.map((account) => [account.id, account]));
  // In a fixed order, so that two that record the same accounts do not wait for each other.
  const ordered = [...distinct.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
  await tx
    .insertInto('connections')
    .values(
      ordered.map((account) => ({
        user_id: userId,
        account_id: account.id,
        app: account.app,
        status: account.status,
        status_reason: account.statusReason === null ? null : storableText(account.statusReason),
        disabled: account.disabled,
        flow_id: null,
        connected_at: account.status === 'ACTIVE' ? account.createdAt : null,
      })),
    )
    .onConflict((oc) =>
      oc.columns(['user_id', 'account_id']).doUpdateSet({
        status: sql<ConnectionStatus>`excluded.status`,
        status_reason: sql<string | null>`excluded.status_reason`,
        disabled: sql<boolean>`excluded.disabled`,
        connected_at: sql<Date>`coalesce(connections.connected_at, case when excluded.status = 'ACTIVE' then now() end)`,
        // What Composio itself calls broken may be mended there, and is then as good as new.
        refused_at: sql<Date | null>`case when excluded.status = 'ACTIVE' then connections.refused_at end`,
        last_checked_at: sql<Date>`now()`,
      }),
    )
    .execute();
}

/** An execution with this account was refused although Composio calls it ACTIVE. */
export async function noteRefusedAccount(
  tx: UserTx,
  refused: { userId: string; accountId: string; app: string },
): Promise<void> {
  await tx
    .insertInto('connections')
    .values({
      user_id: refused.userId,
      account_id: refused.accountId,
      app: refused.app,
      status: 'ACTIVE',
      status_reason: null,
      disabled: false,
      flow_id: null,
      refused_at: sql<Date>`now()`,
    })
    .onConflict((oc) => oc.columns(['user_id', 'account_id']).doUpdateSet({ refused_at: sql<Date>`now()` }))
    .execute();
}

/** Forgets accounts of these apps that Composio no longer has. `apps` null: of all apps. */
export async function forgetMissingConnections(
  tx: AnyTx,
  userId: string,
  seen: { apps: readonly string[] | null; accountIds: readonly string[] },
): Promise<void> {
  let query = tx
    .deleteFrom('connections')
    .where('user_id', '=', userId)
    .where(sql<boolean>`account_id <> all(${seen.accountIds as string[]}::text[])`);
  if (seen.apps !== null) query = query.where(sql<boolean>`app = any(${seen.apps as string[]}::text[])`);
  await query.execute();
}

export async function listStoredConnections(tx: AnyTx, userId: string): Promise<readonly StoredConnection[]> {
  const rows = await tx
    .selectFrom('connections')
    .selectAll()
    .where('user_id', '=', userId)
    .orderBy('app')
    .orderBy('account_id')
    .execute();
  return rows.map((row) => ({
    accountId: row.account_id,
    app: row.app,
    status: row.status,
    statusReason: row.status_reason,
    disabled: row.disabled,
    flowId: row.flow_id,
    verifiedAt: row.verified_at,
    connectedAt: row.connected_at,
    lastCheckedAt: row.last_checked_at,
  }));
}

export async function deleteStoredConnection(tx: UserTx, userId: string, accountId: string): Promise<void> {
  await tx
    .deleteFrom('connections')
    .where('user_id', '=', userId)
    .where('account_id', '=', accountId)
    .execute();
}

/** Rows `app, account_id, what` of one user, of these apps or (null) of all: what Composio's list does not say. */
export const accountKnowledgeQuery = (userId: string, apps: string): string => `
  select app, account_id, 'unaccepted' as what, null::timestamptz as verified_at from connection_attempts
  where user_id = ${userId} and (${apps} is null or app = any(${apps}))
    and account_id is not null and status <> 'accepted'
    -- An account that was deleted at Composio is not listed again; a list that was read before it was may still be in use.
    and (cleaned_at is null or cleaned_at > now() - interval '1 hour')
  union all
  select app, refused_account_id, 'refused', null from connection_flows
  where user_id = ${userId} and (${apps} is null or app = any(${apps}))
    and status = 'open' and refused_account_id is not null
  union all
  -- For a day: a provider's slip must not last for ever, and a dead grant must not be tried with every call.
  select app, account_id, 'refused', null from connections
  where user_id = ${userId} and (${apps} is null or app = any(${apps})) and refused_at > now() - interval '1 day'
  union all
  select app, account_id, 'verified', verified_at from connections
  where user_id = ${userId} and (${apps} is null or app = any(${apps})) and verified_at is not null
  order by verified_at desc nulls last`;

export type KnowledgeRow = {
  readonly app: string;
  readonly account_id: string;
  readonly what: 'unaccepted' | 'refused' | 'verified';
};

export function toAccountKnowledge(rows: readonly KnowledgeRow[]): (app: string) => AccountKnowledge {
  return (app) => {
    const those = (what: string) =>
      rows.filter((row) => row.what === what && row.app === app).map((row) => row.account_id);
    return {
      unaccepted: new Set(those('unaccepted')),
      refused: new Set(those('refused')),
      lastVerified: those('verified')[0] ?? null,
    };
  };
}

const LOAD_KNOWLEDGE = accountKnowledgeQuery('$1::text', '$2::text[]');

/** What the gate must know beyond Composio's list (see domain/gate.ts), per app. One statement. */
export async function loadAccountKnowledge(
  tx: AnyTx,
  userId: string,
  apps: readonly string[] | null,
): Promise<(app: string) => AccountKnowledge> {
  return runStatement(tx, {
    text: LOAD_KNOWLEDGE,
    values: [userId, apps],
    read: (rows) => toAccountKnowledge(rows as readonly KnowledgeRow[]),
  });
}

/**
 * A fresh ACTIVE may be refused for a moment. Gives how long ago a flow verified this account, and how much of `graceMs` is left,
 * by the database's clock; null when that is over, no flow ever did, or a call of the user's has worked with it since.
 */
export async function freshnessOf(
  tx: UserTx,
  account: { userId: string; accountId: string; graceMs: number },
): Promise<{ readonly ageMs: number; readonly leftMs: number } | null> {
  const { rows } = await sql<{ age: number }>`
    select (extract(epoch from clock_timestamp() - k.verified_at) * 1000)::float8 as age
    from connections k
    where k.user_id = ${account.userId} and k.account_id = ${account.accountId} and k.verified_at is not null
      and not exists (
        select 1 from runs r join tool_calls c on c.run_id = r.id
        where r.user_id = k.user_id and (r.finished_at is null or r.finished_at > k.verified_at)
          and c.account_id = k.account_id and c.status = 'done' and c.finished_at > k.verified_at)
  `.execute(tx);
  const ageMs = rows[0]?.age;
  return ageMs === undefined || ageMs >= account.graceMs ? null : { ageMs, leftMs: account.graceMs - ageMs };
}
