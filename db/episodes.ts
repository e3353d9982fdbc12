/**
 * Episodes: one opens when a user's app stops working, whoever saw it, and closes when it works again.
 * Several look at once (audit, webhook, runs), and may write in another order than they looked. So each says when it asked
 * Composio: an older look neither closes what a newer one opened, nor opens again what a newer one closed.
 */
import { sql } from 'kysely';
import type { ConnectionStatus } from '../domain/statuses.ts';
import { newId } from './ids.ts';
import type { AnyTx } from './scope.ts';

export type NewEpisode = {
  readonly userId: string;
  readonly app: string;
  readonly accountId: string;
  readonly status: ConnectionStatus;
  /** Of performance.now, before Composio was asked; default: this moment. */
  readonly askedAt?: number;
};

/**
 * @returns the new episode's id, or null when one is open already (its user has been told), or when the app was seen to
 * work, or was connected, after Composio was asked: whoever looks next sees how it is now.
 */
export async function openEpisode(tx: AnyTx, episode: NewEpisode): Promise<string | null> {
  const { userId, app } = episode;
  const askedAt = instantOf(episode.askedAt);
  const { rows } = await sql<{ id: string }>`
    insert into connection_episodes (id, user_id, app, account_id, status, opened_at)
    select ${newId()}::text, ${userId}::text, ${app}::text, ${episode.accountId}::text, ${episode.status}::text, ${askedAt}
    where not exists (
      select 1 from connection_episodes e where e.user_id = ${userId} and e.app = ${app} and e.closed_at > ${askedAt})
      and not exists (
        select 1 from connections k where k.user_id = ${userId} and k.app = ${app} and k.verified_at > ${askedAt})
    on conflict (user_id, app) where closed_at is null do nothing
    returning id`.execute(tx);
  return rows[0]?.id ?? null;
}

/**
 * Of an episode's user and app: an execution was refused with the account that Composio goes on calling ACTIVE, and the flow which
 * asks for another one is open. `but`: a flow that does not count, for it ends in this very statement.
 */
export const isRefused = (episode: string, but = "''"): string => `exists (
  select from connection_flows f
  where f.user_id = ${episode}.user_id and f.app = ${episode}.app and f.id <> ${but}
    and f.status = 'open' and f.refused_account_id is not null and f.expires_at > now())`;

/**
 * The app works again for this user, or is gone. Not so while it is refused: that lasts until the flow is over, and is told once.
 * `askedAt` of performance.now, before Composio was asked; default: this moment.
 */
export async function closeEpisodes(
  tx: AnyTx,
  userId: string,
  apps: readonly string[],
  askedAt?: number,
): Promise<void> {
  if (apps.length === 0) return;
  const asked = instantOf(askedAt);
  await tx
    .updateTable('connection_episodes')
    .set({ closed_at: asked })
    .where('user_id', '=', userId)
    .where(sql<boolean>`app = any(${apps as string[]}::text[])`)
    .where('closed_at', 'is', null)
    .where('opened_at', '<=', asked)
    .where(sql.raw<boolean>(`not ${isRefused('connection_episodes')}`))
    .execute();
}

/**
 * By the database's clock, which all processes share; only a length of time is taken from here. Not `clock_timestamp`: a
 * statement that waits for a row would take its look for a newer one.
 */
function instantOf(askedAt: number = performance.now()) {
  const agoMs = Math.max(0, performance.now() - askedAt);
  return sql<Date>`(statement_timestamp() - ${agoMs}::float8 * interval '1 millisecond')`;
}

/** Whether the app has still not been seen to work again. */
export async function isEpisodeOpen(tx: AnyTx, episodeId: string): Promise<boolean> {
  const row = await tx
    .selectFrom('connection_episodes')
    .select('id')
    .where('id', '=', episodeId)
    .where('closed_at', 'is', null)
    .executeTakeFirst();
  return row !== undefined;
}

/** Open episodes of these users; of all users for null. */
export async function listOpenEpisodes(
  tx: AnyTx,
  userIds: readonly string[] | null,
): Promise<readonly { userId: string; app: string }[]> {
  let query = tx.selectFrom('connection_episodes').select(['user_id', 'app']).where('closed_at', 'is', null);
  if (userIds !== null) query = query.where('user_id', '=', sql<string>`any(${userIds as string[]}::text[])`);
  const rows = await query.execute();
  return rows.map((row) => ({ userId: row.user_id, app: row.app }));
}
