/** Cookies of our sessions: http-only, and over https with the __Host- prefix, so that no other host can set or replace one. */
export type CookieSettings = {
  readonly publicUrl: string;
  readonly name: 'bellhop-portal' | 'bellhop-console';
  readonly sameSite: 'Lax' | 'Strict';
};

/** The value of Set-Cookie. An empty text and no age end the session in this browser. */
export function makeCookie(settings: CookieSettings, text: string, maxAgeS: number): string {
  const secure = settings.publicUrl.startsWith('https:') ? '; Secure' : '';
  return `${nameOf(settings)}=${text}; Path=/; Max-Age=${maxAgeS}; HttpOnly; SameSite=${settings.sameSite}${secure}`;
}

/** All that came under this name: one that was planted beside ours must not shadow it. */
export function readCookies(settings: CookieSettings, header: string): string[] {
  const prefix = `${nameOf(settings)}=`;
  return header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(prefix))
    .map((pair) => pair.slice(prefix.length));
}

function nameOf({ publicUrl, name }: CookieSettings): string {
  return `${publicUrl.startsWith('https:') ? '__Host-' : ''}${name}`;
}
