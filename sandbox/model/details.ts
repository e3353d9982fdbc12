/** The facts in a clause of a task: quoted texts, channels, addresses, repositories, dates, numbers, and what is to be said. Pure. */

export type Details = {
  readonly clause: string;
  readonly quoted: readonly string[];
  /** Without the `#`. */
  readonly channels: readonly string[];
  readonly emails: readonly string[];
  readonly copies: readonly string[];
  readonly repo: { readonly owner: string; readonly name: string } | null;
  readonly urls: readonly string[];
  /** `2026-01-31` or with a time, as they stand in the text. */
  readonly dates: readonly string[];
  readonly numbers: readonly number[];
  /** What is to be said, word for word. */
  readonly text: string;
  /** What it is about, in a few words. */
  readonly subject: string;
};

const QUOTED = /"([^"]+)"|“([^”]+)”|(?<![A-Za-z0-9])'([^']+)'(?![A-Za-z0-9])|`([^`]+)`/g;
const CHANNEL = /(?<![\w&/])#([A-Za-z][\w-]*)/g;
const EMAIL = /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g;
const URL_TEXT = /https?:\/\/[^\s"'<>)]+/g;
const REPO = /(?<![\w./:@-])([A-Za-z0-9][\w-]*)\/([\w.-]*[\w-])(?![\w/])/;
const DATE = /\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2})?)?/g;
const NUMBER = /(?<![\w.:/#-])\d+(?:\.\d+)?(?![\w:/-]|\.\d)/g;
const COPIED = /\b(?:cc|copy(?:ing)?)\b:?\s+((?:[\w.+-]+@[\w.-]+\w(?:,?\s+and\s+|,\s*)?)+)/i;
const LEADING_VERB = /^\W*(?:(?:please|can you|could you|then|also|first|and)\s+)*[a-z]+\s+/i;
/** Room for a mail's subject line. */
const MAX_SUBJECT_LENGTH = 80;

export function readDetails(clause: string): Details {
  const quoted = quotedTexts(clause);
  const unquoted = maskQuotes(clause);
  const copies: readonly string[] = COPIED.exec(clause)?.[1]?.match(EMAIL) ?? [];
  const withoutUrls = unquoted.replace(URL_TEXT, ' ');
  const repo = REPO.exec(withoutUrls.replace(EMAIL, ' '));
  const text = saidText(clause, quoted);
  return {
    clause,
    quoted,
    channels: unique([...unquoted.matchAll(CHANNEL)].map((match) => match[1] ?? '')),
    emails: unique(unquoted.match(EMAIL) ?? []).filter((email) => !copies.includes(email)),
    copies,
    repo: repo ? { owner: repo[1] ?? '', name: repo[2] ?? '' } : null,
    urls: unique(clause.match(URL_TEXT) ?? []),
    dates: unquoted.match(DATE) ?? [],
    numbers: (withoutUrls.replace(DATE, ' ').match(NUMBER) ?? []).map(Number),
    text,
    subject: subjectOf(clause, quoted, text),
  };
}

export function quotedTexts(text: string): readonly string[] {
  return [...text.matchAll(QUOTED)].map((match) => match[1] ?? match[2] ?? match[3] ?? match[4] ?? '');
}

/** The same text, of the same length, with every quotation blotted out: what is inside is said, not asked. */
export function maskQuotes(text: string): string {
  return text.replace(QUOTED, (quotation) => '\u0001'.repeat(quotation.length));
}

function saidText(clause: string, quoted: readonly string[]): string {
  const named = /\b(?:saying|says|body|text|message|words)\b:?\s+["“'`]([^"”'`]+)["”'`]/i.exec(clause)?.[1];
  if (named !== undefined) return named;
  const subjectQuoted = quotedSubject(clause);
  const bodies = quoted.filter((text) => text !== subjectQuoted);
  if (bodies[0] !== undefined) return bodies[0];
  const introduced =
    /:\s+(\S[\s\S]*)$/.exec(clause)?.[1] ??
    /\b(?:that|saying|says|know|reading)\b[,:]?\s+(?:that\s+)?(\S[\s\S]*)$/i.exec(clause)?.[1];
  if (introduced === undefined && subjectQuoted !== undefined) return subjectQuoted;
  const topic = /\b(?:about|regarding|concerning)\b\s+(\S[\s\S]*)$/i.exec(clause)?.[1];
  if (introduced === undefined && topic !== undefined) return `This is about ${trimTargets(topic)}.`;
  const said = trimTargets(introduced ?? clause.replace(LEADING_VERB, ''));
  return said === '' ? clause.trim() : said;
}

/** Takes away where it goes to ("to #general", "on Slack", "an email"), which is not part of what is said. */
function trimTargets(text: string): string {
  return text
    .replace(
      /\s*\b(?:to|in|into|on|at|for|cc)\s+(?:the\s+)?(?:#[\w-]+|[\w.+-]+@[\w.-]+\w)(?:\s*(?:,|and)\s*(?:#[\w-]+|[\w.+-]+@[\w.-]+\w))*(?:\s+channel)?/gi,
      '',
    )
    .replace(/^(?:(?:#[\w-]+|[\w.+-]+@[\w.-]+\w)(?:\s+(?:and|,)\s+)?)+[,:]?\s*/i, '')
    .replace(
      /\s+\b(?:on|in|to|via|by)\s+(?:slack|gmail|github|notion|google calendar|e-?mail)\s*(?=[.!]?$)/i,
      '',
    )
    .replace(/\s*\b(?:to|in|into|on)\s+(?:the\s+)?[\w-]+\s+channel\s*(?=[.!]?$)/i, '')
    .replace(/^(?:an?|the)\s+(?:e-?mail|message|note|issue|page|event)s?\b\s*/i, '')
    .trim()
    .replace(/(?:[,;]|(?<!\.)\.)$/, '');
}

function quotedSubject(clause: string): string | undefined {
  return /\b(?:subject|title|titled|called|named|entitled|headed)\b(?:\s+line)?(?:\s+is)?:?\s+["“'`]([^"”'`]+)["”'`]/i.exec(
    clause,
  )?.[1];
}

function subjectOf(clause: string, quoted: readonly string[], text: string): string {
  const about = /\b(?:about|regarding|concerning|for|titled|called)\s+([^,.;:\n]+)/i.exec(
    maskQuotes(clause),
  )?.[1];
  const cleaned = about === undefined || about.includes('\u0001') ? '' : trimTargets(about);
  const subject = quotedSubject(clause) ?? quoted[0] ?? (cleaned === '' ? text : cleaned);
  const line = (subject.split('\n')[0] ?? '').slice(0, MAX_SUBJECT_LENGTH).trim();
  return line.charAt(0).toUpperCase() + line.slice(1);
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}
