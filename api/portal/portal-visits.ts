/**
 * Whether a sealed link or session still holds: its user is there and the same one, and the link was used by no other
 * browser. A link is used up not by the request that opens it but by the first one that comes back with its cookie: what
 * only fetches addresses (previews, scanners of mail and chat) takes no link away from its user.
 */
import type { Database } from '../../db/pool.ts';
import { readPortalLink, usePortalLink } from '../../db/portal-links.ts';
import { forUser } from '../../db/scope.ts';
import type { UserTx } from '../../db/scope.ts';
import { getUser } from '../../db/users.ts';
import type { PortalAsk, PortalSession } from './portal-sessions.ts';

/** `over`: the user was erased meanwhile. */
export type Standing = 'good' | 'used' | 'over';

/** Of a session; makes the link its own when it is nobody's yet. */
export async function visitPortal(db: Database, session: PortalSession): Promise<Standing> {
  const { userId, link, id } = session;
  return forUser(db, userId, async (tx) => {
    if (!(await isSameUser(tx, session))) return 'over';
    const holder =
      (await readPortalLink(tx, link)) ?? (await usePortalLink(tx, { link, userId, session: id }));
    return holder.equals(id) ? 'good' : 'used';
  });
}

/** Of a link that is about to be opened; changes nothing. */
export async function standingOfLink(db: Database, ask: PortalAsk, link: Buffer): Promise<Standing> {
  return forUser(db, ask.userId, async (tx) => {
    if (!(await isSameUser(tx, ask))) return 'over';
    return (await readPortalLink(tx, link)) === null ? 'good' : 'used';
  });
}

async function isSameUser(tx: UserTx, { userId, since }: PortalAsk): Promise<boolean> {
  const user = await getUser(tx, userId);
  return user !== null && !user.isErasing && user.createdAt.toISOString() === since;
}
