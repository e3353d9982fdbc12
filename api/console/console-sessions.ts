/**
 * An operator's session in a browser: the API key, sealed into a cookie that no script can read. Every request opens it
 * and goes the way of any caller with that key, so scopes, limits and the key's deletion hold as they are. Each session has
 * an id, by which signing out ends it everywhere, copies of the cookie too.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { addEndedSession, findEndedSession } from '../../db/ended-sessions.ts';
import { newSecret, sha256 } from '../../db/ids.ts';
import type { Database } from '../../db/pool.ts';
import { asSystem, asSystemOnce } from '../../db/scope.ts';
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
  /** Ends the sessions that the request came with. @returns the value of Set-Cookie. */
  end(headers: IncomingHttpHeaders): Promise<string>;
  /** `Authorization` of the session that the request belongs to; null without one, and for a request from elsewhere. */
  authorizationOf(headers: IncomingHttpHeaders): Promise<string | null>;
};

export function createConsoleSessions({
  db,
  secret,
  publicUrl,
}: {
  db: Database;
  secret: string;
  publicUrl: string;
}): ConsoleSessions {
  const seal = createSeal(secret, 'console-session');
  const cookie: CookieSettings = { publicUrl, name: 'bellhop-console', sameSite: 'Strict' };
  const sessionsOf = ({ cookie: header = '' }: IncomingHttpHeaders): { key: string; id: Buffer }[] =>
    readCookies(cookie, header).flatMap((text) => {
      const { key, id } = seal.open(text) ?? {};
      return typeof key === 'string' && typeof id === 'string' ? [{ key, id: sha256(id) }] : [];
    });
  return {
    open(key) {
      const content = { key, id: newSecret() };
      return makeCookie(cookie, seal.seal(content, new Date(Date.now() + LIFE_MS)), LIFE_MS / 1_000);
    },
    async end(headers) {
      const ended = sessionsOf(headers);
      await asSystem(db, async (tx) => {
        for (const { id } of ended) await addEndedSession(tx, id);
      });
      return makeCookie(cookie, '', 0);
    },
    async authorizationOf(headers) {
      const isOurs =
        headers[CONSOLE_HEADER] === '1' && (headers['sec-fetch-site'] ?? 'same-origin') === 'same-origin';
      if (!isOurs) return null;
      for (const { key, id } of sessionsOf(headers))
        if (!(await asSystemOnce(db, findEndedSession(id)))) return `Bearer ${key}`;
      return null;
    },
  };
}
