/**
 * Whose settings page it is. A link, minted by the integrator's backend, opens it for a few minutes, in the first browser
 * that comes with it; the cookie that it is exchanged for holds for half an hour, for this user alone. No API key is in
 * either. Links and cookies are sealed; whose a link is, and that its user is still there, is in rows (portal-visits.ts).
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { sha256 } from '../../db/ids.ts';
import { createSeal } from '../sessions/seal.ts';
import { makeCookie, readCookies } from '../sessions/session-cookie.ts';
import type { CookieSettings } from '../sessions/session-cookie.ts';

/** A backend mints it when the user clicks; it travels in a redirect. */
const LINK_LIFE_MS = 5 * 60_000;
/** Long enough to connect several apps; a forgotten tab on a shared machine is over before long. */
const SESSION_LIFE_MS = 30 * 60_000;

export type PortalAsk = {
  readonly userId: string;
  /** When the user was registered: an id that starts anew after an erasure is another user. */
  readonly since: string;
  readonly apps: readonly string[];
};
export type PortalSession = PortalAsk & {
  /** Digests of the link it came from, and of its own cookie. */
  readonly link: Buffer;
  readonly id: Buffer;
  /** In every form of the page: a form from elsewhere cannot know it. */
  readonly formToken: string;
};

export type PortalSessions = {
  mintLink(ask: PortalAsk): { url: string; expiresAt: Date };
  /** Null for a link that does not hold. */
  openLink(token: string): PortalAsk | null;
  /** @returns the cookie of a new session. */
  enter(token: string, ask: PortalAsk): string;
  find(cookieHeader: string): PortalSession | null;
  isFormToken(session: PortalSession, token: string): boolean;
};

export function createPortalSessions({
  secret,
  publicUrl,
}: {
  secret: string;
  publicUrl: string;
}): PortalSessions {
  const links = createSeal(secret, 'portal-link');
  const sessions = createSeal(secret, 'portal-session');
  // Lax: the link is followed from the integrator's site, and Strict would not be sent on with the redirect.
  const cookie: CookieSettings = { publicUrl, name: 'bellhop-portal', sameSite: 'Lax' };
  return {
    mintLink(ask) {
      const expiresAt = new Date(Date.now() + LINK_LIFE_MS);
      return { url: `${publicUrl}/portal/open/${links.seal(ask, expiresAt)}`, expiresAt };
    },
    openLink: (token) => links.open(token) as PortalAsk | null,
    enter(token, ask) {
      const content = { ...ask, link: sha256(token).toString('base64url') };
      const text = sessions.seal(content, new Date(Date.now() + SESSION_LIFE_MS));
      return makeCookie(cookie, text, SESSION_LIFE_MS / 1_000);
    },
    find(cookieHeader) {
      for (const text of readCookies(cookie, cookieHeader)) {
        const content = sessions.open(text) as (PortalAsk & { link?: string }) | null;
        // Without a link it is of an older release.
        if (content?.link !== undefined)
          return {
            ...content,
            link: Buffer.from(content.link, 'base64url'),
            id: sha256(text),
            formToken: createHmac('sha256', text).update('form').digest('base64url'),
          };
      }
      return null;
    },
    isFormToken: ({ formToken }, token) =>
      token.length === formToken.length && timingSafeEqual(Buffer.from(token), Buffer.from(formToken)),
  };
}
