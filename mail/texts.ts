/**
 * What users are mailed, all of it. Plain text and the same as simple HTML. Names come from the integrator and from
 * Composio: they are cut, freed of control characters, and escaped. Pure.
 */
import { gateMessage } from '../domain/gate.ts';
import type { GateReason } from '../domain/statuses.ts';

export type MailFacts = {
  readonly displayName: string | null;
  /** What to connect, at least one. */
  readonly links: readonly { readonly appName: string; readonly reason: GateReason; readonly url: string }[];
  /** Runs of the user that wait for it. */
  readonly waitingRuns: number;
};

export type MailText = { readonly subject: string; readonly text: string; readonly html: string };

/** Longer names are somebody's joke; a subject line of 998 octets is the most that mail carries. */
const NAME_LENGTH = 80;
/** The link lets whoever opens it connect an account in the user's place (docs/connect-security.md). */
const FOOT =
  'This link is yours alone, so please do not pass it on. If you did not expect this mail, you can ignore it.';

export function reconnectMail(facts: MailFacts): MailText {
  const links = facts.links.map((link) => ({ ...link, appName: clean(link.appName) }));
  const names = links.map(({ appName }) => appName);
  const isNew = links.every(({ reason }) => reason === 'missing');
  const subject = `${isNew ? 'Please connect' : 'Please reconnect'} ${listOf(names)}`;
  const name = facts.displayName === null ? '' : clean(facts.displayName);
  const greeting = name === '' ? 'Hello,' : `Hello ${name},`;
  const waits = waiting(facts.waitingRuns);
  const text = [
    greeting,
    ...links.map(
      ({ appName, reason, url }) => `${gateMessage(reason, appName)}\n${verb(reason)} ${appName}: ${url}`,
    ),
    ...(waits === null ? [] : [waits]),
    FOOT,
  ].join('\n\n');
  const html = [
    `<p>${escape(greeting)}</p>`,
    ...links.map(
      ({ appName, reason, url }) =>
        `<p>${escape(gateMessage(reason, appName))}<br><a href="${escape(url)}">${verb(reason)} ${escape(appName)}</a></p>`,
    ),
    ...(waits === null ? [] : [`<p>${waits}</p>`]),
    `<p><small>${FOOT}</small></p>`,
  ].join('\n');
  return { subject, text: `${text}\n`, html: `<!doctype html>\n<meta charset="utf-8">\n${html}\n` };
}

const verb = (reason: GateReason): string => (reason === 'missing' ? 'Connect' : 'Reconnect');

function waiting(runs: number): string | null {
  if (runs === 0) return null;
  return runs === 1
    ? 'A task of yours waits for it, and goes on by itself.'
    : `${String(runs)} tasks of yours wait for it, and go on by themselves.`;
}

/** `Slack`, `Slack and Gmail`, `Slack and 3 other apps`. */
function listOf(names: readonly string[]): string {
  const [first = '', second = ''] = names;
  if (names.length <= 1) return first;
  return names.length === 2
    ? `${first} and ${second}`
    : `${first} and ${String(names.length - 1)} other apps`;
}

/** One line without control characters, direction marks and line separators. */
export function clean(text: string): string {
  const line = text
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim();
  // By code points: half a surrogate pair is no character.
  return Array.from(line).slice(0, NAME_LENGTH).join('');
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
