/** Which browser a settings link belongs to: the first that came with its cookie. Links and sessions are digests here. */
import { sql } from 'kysely';
import type { UserTx } from './scope.ts';

/** @returns the session that has used the link; null: none so far. */
export async function readPortalLink(tx: UserTx, link: Buffer): Promise<Buffer | null> {
  const row = await tx
    .selectFrom('portal_links')
    .select('session')
    .where('link', '=', link)
    .executeTakeFirst();
  return row?.session ?? null;
}

/** The first one wins, also of two that come at once. @returns whose link it is now. */
export async function usePortalLink(
  tx: UserTx,
  { link, userId, session }: { link: Buffer; userId: string; session: Buffer },
): Promise<Buffer> {
  const row = await tx
    .insertInto('portal_links')
    .values({ link, user_id: userId, session })
    // A change that changes nothing: unlike "do nothing" it waits for the other one, and gives its row.
    .onConflict((oc) => oc.column('link').doUpdateSet({ session: sql<Buffer>`portal_links.session` }))
    .returning('session')
    .executeTakeFirstOrThrow();
  return row.session;
}
