/** What the name of a tool's parameter says about its value. Pure. */
import type { Details } from './details.ts';

/** `isCertain`: the task says it, so an optional parameter is worth filling. */
export type Guess = { readonly value: string | number | readonly string[]; readonly isCertain: boolean };
type Source = { readonly details: Details; readonly findings: string | null };

const SAID = /^(?:text|markdown_text|message|message_body|body|content|markdown|description|comment|note)$/i;

/** Parameters that hold what is to be said: one of them is enough. */
export function isSaid(name: string): boolean {
  return SAID.test(name);
}

/** Null when the name says nothing. */
export function guessByName(name: string, source: Source): Guess | null {
  const { details } = source;
  const key = name.toLowerCase();
  for (const [pattern, guess] of GUESSES) {
    const found = pattern.test(key) ? guess(details, source) : null;
    if (found) return found;
  }
  return null;
}

const certain = (value: Guess['value'] | undefined): Guess | null =>
  value === undefined ? null : { value, isCertain: true };
const likely = (value: Guess['value']): Guess => ({ value, isCertain: false });

/** In order: the first pattern that matches and knows something decides. */
const GUESSES: readonly (readonly [RegExp, (details: Details, source: Source) => Guess | null])[] = [
  [SAID, (details, { findings }) => likely(findings ?? details.text)],
  [
    /^(?:channel|channel_?id|channel_?name|conversation)$/,
    (d) => certain(d.channels[0]) ?? likely(namedChannel(d.clause)),
  ],
  [/^(?:cc|bcc)$/, (d) => (d.copies.length > 0 ? certain(d.copies) : null)],
  [/attendees?|guests?|invitees?|recipients$/, (d) => (d.emails.length > 0 ? certain(d.emails) : null)],
  [
    /^(?:to|recipient|recipient_?email|to_?email|email|email_?address|user_?email)$/,
    (d) => certain(d.emails[0]) ?? likely('someone@example.com'),
  ],
  [
    /^(?:subject|title|summary|headline|event_?name|page_?title)$/,
    (d, { findings }) => certain(findings !== null && d.quoted.length === 0 ? shortSubject(d) : d.subject),
  ],
  [/^(?:owner|org|organization)$/, (d) => certain(d.repo?.owner) ?? likely('acme')],
  [
    /^(?:repo|repository|repo_?name)$/,
    (d) => certain(d.repo?.name ?? /\b([\w-]+)\s+repo(?:sitory)?\b/i.exec(d.clause)?.[1]) ?? likely('demo'),
  ],
  [/^(?:q|query|search|search_?query|keywords?)$/, (d) => searched(d)],
  [/(?:^|_)(?:limit|max_?results|per_?page|page_?size|count|top|first)$/, (d) => certain(howMany(d.clause))],
  [/^(?:issue_?number|number|pull_?number)$/, (d) => certain(numbered(d))],
  [/(?:url|link|uri)$/, (d) => certain(d.urls[0])],
  [/(?:^|_)(?:end|end_?time|end_?date|end_?datetime|time_?max|until|before)$/, (d) => certain(d.dates[1])],
  [
    /(?:^|_)(?:start|start_?time|start_?date|start_?datetime|date|time|due|due_?date|time_?min|since|after|oldest)$/,
    (d) => certain(d.dates[0]),
  ],
  [/^labels?$/, (d) => certain(labelled(d.clause))],
  [/^(?:name|file_?name)$/, (d) => certain(d.quoted[0]) ?? likely(d.subject)],
];

/** "last 5", "5 unread emails": a number that counts things. */
function howMany(clause: string): number | undefined {
  const counted =
    /\b(?:last|latest|first|top|newest|recent|up to|at most|limit(?: of)?)\s+(\d{1,4})\b/i.exec(
      clause,
    )?.[1] ?? /\b(\d{1,4})\s+(?:[a-z]+\s+){0,2}[a-z]+s\b/i.exec(clause)?.[1];
  return counted === undefined ? undefined : Number(counted);
}

function namedChannel(clause: string): string {
  return /\b(?:the\s+)?([a-z][\w-]*)\s+channel\b/i.exec(clause)?.[1] ?? 'general';
}

function searched(details: Details): Guess | null {
  const from = /\bfrom\s+([\w.+-]+@[\w.-]+\w)/i.exec(details.clause)?.[1];
  if (from !== undefined) return certain(`from:${from}`);
  if (details.quoted[0] !== undefined) return certain(details.quoted[0]);
  const asked = /\b(?:for|about|mentioning|matching|containing)\s+([^,.;\n]+)/i.exec(details.clause)?.[1];
  return asked === undefined ? likely(details.subject) : certain(asked.trim());
}

function numbered(details: Details): number | undefined {
  const marked = /(?:#|\b(?:issue|number|no\.?|pull request|pr)\s+#?)(\d+)\b/i.exec(details.clause)?.[1];
  return marked === undefined ? undefined : Number(marked);
}

function labelled(clause: string): readonly string[] | undefined {
  const label = /\blabel(?:l?ed)?s?\s+(?:as\s+|it\s+)?["'`]?([\w-]+)/i.exec(clause)?.[1];
  return label === undefined ? undefined : [label];
}

function shortSubject(details: Details): string {
  return /\bsummar/i.test(details.clause) ? 'Summary' : details.subject;
}
