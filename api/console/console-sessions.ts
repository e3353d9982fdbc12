/**
 * An operator's session in a browser: the API key, sealed into a cookie that no script can read. Every request opens it
 * and goes the way of any caller with that key, so scopes, limits and the key's deletion hold as they are.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { createSeal } from '../sessions/seal.ts';
import type { CookieSettings } from '../sessions/session-cookie.ts';
import { makeCookie, readCookies } from '../sessions/session-cookie.ts';

/** A working day; then the key is asked for again. */
const LIFE_MS = 8 * 3_600_000;
/** No form and no link of another site can send it: it makes a request one of our own script. */
export const CONSOLE_HEADER = 'x-bellhop-console';

export type ConsoleSessions = {
  /** @returns the value of Set-Cookie. */
  open(key: string): string;
  end(): string;
  /** `Authorization` of the session that the request belongs to; null without one, and for a request from elsewhere. */
  authorizationOf(headers: IncomingHttpHeaders): string | null;
};

export function createConsoleSessions({
  secret,
  publicUrl,
}: {
  secret: string;
  publicUrl: string;
}): ConsoleSessions {
  const seal = createSeal(secret, 'console-session');
  const cookie: CookieSettings = { publicUrl, name: 'bellhop-console', sameSite: 'Strict' };
  return {
    open: (key) => makeCookie(cookie, seal.seal({ key }, new Date(Date.now() + LIFE_MS)), LIFE_MS / 1_000),
    end: () => makeCookie(cookie, '', 0),
    authorizationOf(headers) {
      const isOurs =
        headers[CONSOLE_HEADER] === '1' && (headers['sec-fetch-site'] ?? 'same-origin') === 'same-origin';
      if (!isOurs) return null;
      for (const text of readCookies(cookie, headers.cookie ?? '')) {
        const key = seal.open(text)?.['key'];
        if (typeof key === 'string') return `Bearer ${key}`;
      }
      return null;
    },
  };
}
