/** Episodes: one opens when a user's app stops working, whoever saw it, and closes when it works again. */
import { sql } from 'kysely';
import type { ConnectionStatus } from '../domain/statuses.ts';
import { newId } from './ids.ts';
import type { AnyTx } from './scope.ts';

export type NewEpisode = {
  readonly userId: string;
  readonly app: string;
  readonly accountId: string;
  readonly status: ConnectionStatus;
};

/** @returns the new episode's id, or null when one is open already: its user has been told. */
export async function openEpisode(tx: AnyTx, episode: NewEpisode): Promise<string | null> {
  const row = await tx
    .insertInto('connection_episodes')
    .values({
      id: newId(),
      user_id: episode.userId,
      app: episode.app,
      account_id: episode.accountId,
      status: episode.status,
    })
    .onConflict((oc) => oc.columns(['user_id', 'app']).where('closed_at', 'is', null).doNothing())
    .returning('id')
    .executeTakeFirst();
  return row?.id ?? null;
}

/**
 * The app works again for this user. Not so when an execution was refused with the account that Composio goes on calling
 * ACTIVE: that lasts until the flow which asks for another account is over, and is told once.
 */
export async function closeEpisodes(tx: AnyTx, userId: string, apps: readonly string[]): Promise<void> {
  if (apps.length === 0) return;
  await tx
    .updateTable('connection_episodes')
    .set({ closed_at: sql<Date>`now()` })
    .where('user_id', '=', userId)
    .where(sql<boolean>`app = any(${apps as string[]}::text[])`)
    .where('closed_at', 'is', null)
    .where(
      sql<boolean>`not exists (
        select 1 from connection_flows f
        where f.user_id = connection_episodes.user_id and f.app = connection_episodes.app
          and f.status = 'open' and f.refused_account_id is not null and f.expires_at > now())`,
    )
    .execute();
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
