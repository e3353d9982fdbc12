/**
 * Whose settings page it is. A link, minted by the integrator's backend, opens it for a few minutes; the cookie that it is
 * exchanged for holds for half an hour, for this user alone. No API key is in either.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createSeal } from '../sessions/seal.ts';
import { makeCookie, readCookies } from '../sessions/session-cookie.ts';
import type { CookieSettings } from '../sessions/session-cookie.ts';

/** A backend mints it when the user clicks; it travels in a redirect. */
const LINK_LIFE_MS = 5 * 60_000;
/** Long enough to connect several apps; a forgotten tab on a shared machine is over before long. */
const SESSION_LIFE_MS = 30 * 60_000;

export type PortalAsk = { readonly userId: string; readonly apps: readonly string[] };
export type PortalSession = PortalAsk & {
  /** In every form of the page: a form from elsewhere cannot know it. */
  readonly formToken: string;
};

export type PortalSessions = {
  mintLink(ask: PortalAsk): { url: string; expiresAt: Date };
  /** @returns the cookie of a new session; null for a link that does not hold. */
  enter(token: string): string | null;
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
    enter(token) {
      const ask = toAsk(links.open(token));
      if (!ask) return null;
      const text = sessions.seal(ask, new Date(Date.now() + SESSION_LIFE_MS));
      return makeCookie(cookie, text, SESSION_LIFE_MS / 1_000);
    },
    find(cookieHeader) {
      for (const text of readCookies(cookie, cookieHeader)) {
        const ask = toAsk(sessions.open(text));
        if (ask) return { ...ask, formToken: createHmac('sha256', text).update('form').digest('base64url') };
      }
      return null;
    },
    isFormToken: ({ formToken }, token) =>
      token.length === formToken.length && timingSafeEqual(Buffer.from(token), Buffer.from(formToken)),
  };
}

function toAsk(content: Record<string, unknown> | null): PortalAsk | null {
  return content === null ? null : (content as PortalAsk);
}
