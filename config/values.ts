/** How the text of one environment variable becomes a value. Messages never repeat the value: it may be a secret. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { parseDuration } from '../domain/duration.ts';
import type { ToolEffect } from '../domain/tool.ts';

/** Comma separated, each of these at most once. */
export const listOf = <T extends string>(known: readonly T[]) =>
  z.string().transform((text, context) => {
    const parts = text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
    const isKnown = (part: string): part is T => (known as readonly string[]).includes(part);
    if (parts.length > 0 && parts.every(isKnown) && new Set(parts).size === parts.length) return parts;
    context.addIssue({ code: 'custom', message: `must be a list of ${known.join(', ')}, each at most once` });
    return z.NEVER;
  });

/** 0 lets the system choose, which tests use. */
export const port = () =>
  z
    .string()
    .regex(/^\d{1,5}$/, 'must be a port number')
    .transform(Number)
    .refine((n) => n <= 65_535, 'must be a port number');

export const positiveInteger = () =>
  z
    .string()
    .regex(/^[1-9]\d{0,8}$/, 'must be a positive whole number')
    .transform(Number);

/** 0 switches off. */
export const wholeNumber = () =>
  z
    .string()
    .regex(/^(0|[1-9]\d{0,8})$/, 'must be 0 or a positive whole number')
    .transform(Number);

/** `true` or `false`. */
export const flag = () =>
  z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true');

/** `#rrggbb`. */
export const color = () => z.string().regex(/^#[0-9a-fA-F]{6}$/, 'must be a colour such as #0b5d4e');

/** What keys are derived from, so not a word that somebody could guess. */
export const sessionSecret = () => z.string().min(32, 'must be at least 32 characters, made at random');

/** Milliseconds of `500ms`, `15s`, `30m`, `24h`, `7d`. */
export const duration = () =>
  z.string().transform((text, context) => {
    const ms = parseDuration(text);
    if (ms !== null && ms > 0) return ms;
    context.addIssue({ code: 'custom', message: 'must be a duration such as 15s, 30m or 7d' });
    return z.NEVER;
  });

/** Milliseconds, or null for `forever`. */
export const lifetime = () =>
  z.string().transform((text, context) => {
    if (text === 'forever') return null;
    const ms = parseDuration(text);
    if (ms !== null && ms > 0) return ms;
    context.addIssue({ code: 'custom', message: 'must be a duration such as 30d, or forever' });
    return z.NEVER;
  });

export function parseUrl(text: string, protocols: readonly string[]): URL | null {
  const url = URL.parse(text);
  return url && protocols.includes(url.protocol) ? url : null;
}

/** An absolute URL of one of these protocols, exactly as it was written. */
export const url = (...protocols: readonly string[]) =>
  z
    .string()
    .refine(
      (text) => parseUrl(text, protocols) !== null,
      `must be a URL starting with ${protocols.join('// or ')}//`,
    );

/** What paths are appended to, so without a slash at its end. */
export const baseUrl = () => url('http:', 'https:').transform((text) => text.replace(/\/+$/, ''));

/** `https://host[:port]`: cookies and redirects are made for a whole origin, so a path would be misleading. */
export const origin = () =>
  z.string().transform((text, context) => {
    const parsed = parseUrl(text, ['http:', 'https:']);
    if (parsed && parsed.pathname === '/' && !parsed.search && !parsed.hash && !parsed.username)
      return parsed.origin;
    context.addIssue({ code: 'custom', message: 'must be an http(s) origin without a path' });
    return z.NEVER;
  });

/** Comma separated absolute URLs, each kept exactly as written, because return URLs are compared exactly. */
export const urlList = () =>
  z.string().transform((text, context) => {
    const urls = text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
    if (urls.every((part) => parseUrl(part, ['http:', 'https:']) !== null)) return urls;
    context.addIssue({ code: 'custom', message: 'must be a comma separated list of absolute http(s) URLs' });
    return z.NEVER;
  });

/** `slack=ac_1,gmail=ac_2` → app to auth config id. Apps are lower case; naming one twice is a mistake, not a choice. */
export const authConfigs = () =>
  z.string().transform((text, context) => {
    const map = new Map<string, string>();
    for (const part of text.split(',').map((piece) => piece.trim())) {
      if (part === '') continue;
      const match = /^([A-Za-z0-9_-]+)\s*=\s*([A-Za-z0-9_-]+)$/.exec(part);
      const app = match?.[1]?.toLowerCase();
      if (!app || !match?.[2] || map.has(app)) {
        context.addIssue({ code: 'custom', message: 'must be like slack=ac_1,gmail=ac_2, each app once' });
        return z.NEVER;
      }
      map.set(app, match[2]);
    }
    return map;
  });

/** `SLACK_SEARCH=read,JIRA_SYNC=write` → what a tool does, by slug. Naming one twice is a mistake, not a choice. */
export const toolEffects = () =>
  z.string().transform((text, context) => {
    const map = new Map<string, ToolEffect>();
    for (const part of text.split(',').map((piece) => piece.trim())) {
      if (part === '') continue;
      const match = /^([A-Za-z0-9_-]+)\s*=\s*(read|write)$/.exec(part);
      if (!match?.[1] || map.has(match[1])) {
        context.addIssue({
          code: 'custom',
          message: 'must be like SLACK_SEARCH=read,JIRA_SYNC=write, each tool once',
        });
        return z.NEVER;
      }
      map.set(match[1], match[2] as ToolEffect);
    }
    return map;
  });

/** A Standard Webhooks secret: base64, with or without its `whsec_` prefix. */
export const webhookSecret = () =>
  z.string().regex(/^(whsec_)?[A-Za-z0-9+/]+={0,2}$/, 'must be base64, with or without the prefix whsec_');

/** Addresses and networks (`10.0.0.0/8`), comma separated. */
export const networks = () =>
  z.string().transform((text, context) => {
    const parts = text.split(',').map((part) => part.trim());
    if (parts.every(isNetwork)) return parts;
    context.addIssue({ code: 'custom', message: 'must be IP addresses or networks such as 10.0.0.0/8' });
    return z.NEVER;
  });

function isNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const version = isIP(address);
  if (version === 0 || more.length > 0) return false;
  // Everybody would be a proxy: then the address is whatever a caller writes.
  return bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

/** One secret, or two with a comma between while the one takes over from the other. Used as they are, not decoded. */
export const secrets = () =>
  z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .refine(
      (parts) => parts.length <= 2 && parts.every((part) => /^[\x21-\x7e]+$/.test(part)),
      'must be one secret or two with a comma between, printable ASCII without spaces',
    );

/** One address, with or without a name before it: `Bellhop <no-reply@example.com>`. Anything else would fail with each mail. */
export const mailbox = () =>
  z
    .string()
    .regex(
      /^([^<>@\p{Cc}]*<[^\s<>@,]+@[A-Za-z0-9.-]+>|[^\s<>@,]+@[A-Za-z0-9.-]+)$/u,
      'must be one mail address, with or without a name: Bellhop <no-reply@example.com>',
    );

/** The server joins name and build id with a dot, so a name holds none. */
export const deploymentName = () =>
  z.string().regex(/^[A-Za-z0-9_-]{1,200}$/, 'must be letters, digits, - and _, at most 200');
export const buildId = () =>
  z.string().regex(/^[A-Za-z0-9._-]{1,200}$/, 'must be letters, digits, dots, - and _, at most 200');

/** A key that fits an HTTP header. */
export const apiKey = () => z.string().regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces');

/** Five to seven cron fields, or one of the @-forms that Temporal knows. */
export const cron = () =>
  z.string().regex(/^(@\S+( \S+)?|\S+( +\S+){4,6})$/, 'must be a cron expression such as 0 */6 * * *');
