/**
 * The cookie that ties a callback to the browser that clicked. One per attempt, so that two tabs do not disturb each other.
 * Over https it has the __Host- prefix: no other host, and no plain http, can set or replace it.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Attempt } from '../../db/attempts.ts';
import { sha256 } from '../../db/ids.ts';

// As long as an attempt lives: Composio's links live 10 minutes, and two more for a consent at the last moment.
const MAX_AGE_S = 12 * 60;

function cookieName(publicUrl: string, attemptId: string): string {
  return `${publicUrl.startsWith('https:') ? '__Host-' : ''}bellhop-${attemptId}`;
}

/** The value of Set-Cookie. Lax, because Composio sends the browser back from another site. */
export function makeAttemptCookie(publicUrl: string, attemptId: string, secret: string): string {
  const secure = publicUrl.startsWith('https:') ? '; Secure' : '';
  return `${cookieName(publicUrl, attemptId)}=${secret}; Path=/; Max-Age=${MAX_AGE_S}; HttpOnly; SameSite=Lax${secure}`;
}

export function hasAttemptCookie(
  cookieHeader: string,
  publicUrl: string,
  attempt: Pick<Attempt, 'id' | 'cookieHash'>,
): boolean {
  const prefix = `${cookieName(publicUrl, attempt.id)}=`;
  return cookieHeader
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(prefix))
    .some((pair) => timingSafeEqual(sha256(pair.slice(prefix.length)), attempt.cookieHash));
}
