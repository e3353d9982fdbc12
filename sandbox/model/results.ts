/** Reads what came back from tools, whatever shape the caller gave it: done, failed, denied or unknown, and what was found. Pure. */
import { isObject } from './chat-request.ts';

export type ToolOutcome = {
  readonly status: 'done' | 'failed' | 'denied' | 'unknown';
  /** Why it is not done, in the tool's own words. */
  readonly reason: string | null;
  readonly data: unknown;
};

/** Long enough for a sentence of a provider, short enough for an answer. */
const MAX_REASON_LENGTH = 200;
const UNKNOWN =
  /\bunknown\b|may or may not|cannot (?:be )?know|not known whether|may have (?:happened|been)/i;
const DENIED = /\bdenied\b|not approved|\brejected by\b|\bdeclined\b|not allowed/i;
const FAILED = /^\W*(?:error|failed|failure|invalid)\b|could not|cannot\b|was refused/i;

export function readOutcome(content: string): ToolOutcome {
  const data = parse(content);
  if (!isObject(data)) {
    const head = content.slice(0, MAX_REASON_LENGTH);
    const status = typeof data === 'string' || data === undefined ? statusOfText(head) : 'done';
    return { status, reason: status === 'done' ? null : head, data: data ?? content };
  }
  const words = [data['status'], data['outcome'], data['code'], data['error'], data['message'], data['note']]
    .map((value) => (isObject(value) ? `${text(value['code'])} ${text(value['message'])}` : text(value)))
    .filter((value) => value !== '')
    .join(' ');
  const isWrong =
    data['successful'] === false ||
    data['ok'] === false ||
    (data['error'] !== undefined &&
      data['error'] !== null &&
      data['error'] !== '' &&
      data['error'] !== false) ||
    ['failed', 'error', 'denied', 'unknown'].includes(text(data['status'])) ||
    ['unknown', 'denied', 'not_done'].includes(text(data['outcome']));
  if (!isWrong) return { status: 'done', reason: null, data: data['data'] ?? data['result'] ?? data };
  const status = UNKNOWN.test(words) ? 'unknown' : DENIED.test(words) ? 'denied' : 'failed';
  const reason = isObject(data['error'])
    ? text(data['error']['message'])
    : text(data['error']) || text(data['message']);
  return { status, reason: (reason || words).slice(0, MAX_REASON_LENGTH), data: data['data'] ?? null };
}

function statusOfText(head: string): ToolOutcome['status'] {
  if (UNKNOWN.test(head)) return 'unknown';
  if (DENIED.test(head)) return 'denied';
  return FAILED.test(head) ? 'failed' : 'done';
}

/** What there is to tell about data: the names of the things in its first list, else its short plain members. */
export function describeData(data: unknown): string | null {
  const list = findList(data, 0);
  if (list) {
    const names = list.map(nameOf).filter((name) => name !== null);
    const shown = names.slice(0, 5).join(', ');
    const count = `${list.length} ${list.length === 1 ? 'entry' : 'entries'}`;
    return shown === '' ? count : `${count}: ${shown}${names.length > 5 ? ' and more' : ''}`;
  }
  if (!isObject(data))
    return data === null || data === undefined ? null : clip(text(data) || JSON.stringify(data));
  const facts = ['number', 'html_url', 'url', 'htmlLink', 'title', 'subject', 'snippet', 'ts', 'id']
    .filter((key) => ['string', 'number'].includes(typeof data[key]))
    .slice(0, 2)
    .map((key) => `${key} ${String(data[key])}`);
  if (facts.length > 0) return clip(facts.join(', '));
  for (const value of Object.values(data)) {
    const inner = isObject(value) ? describeData(value) : null;
    if (inner !== null) return inner;
  }
  return null;
}

/** The first value under this key, anywhere: an id that a read has brought to light. */
export function findValue(data: unknown, key: string, depth = 0): string | number | null {
  if (depth > 6 || typeof data !== 'object' || data === null) return null;
  const own = isObject(data) ? data[key] : undefined;
  if (typeof own === 'string' || typeof own === 'number') return own;
  for (const value of Object.values(data)) {
    const inner = findValue(value, key, depth + 1);
    if (inner !== null) return inner;
  }
  return null;
}

function findList(data: unknown, depth: number): readonly unknown[] | null {
  if (Array.isArray(data)) return data as readonly unknown[];
  if (depth > 3 || !isObject(data)) return null;
  for (const value of Object.values(data)) {
    const list = findList(value, depth + 1);
    if (list) return list;
  }
  return null;
}

function nameOf(item: unknown): string | null {
  if (typeof item === 'string' || typeof item === 'number') return clip(String(item));
  if (!isObject(item)) return null;
  for (const key of [
    'title',
    'subject',
    'name',
    'summary',
    'text',
    'messageText',
    'snippet',
    'email',
    'id',
  ]) {
    const value = item[key];
    if (typeof value === 'string' && value !== '') return clip(value);
  }
  return null;
}

function clip(value: string): string {
  return value.length > 80 ? `${value.slice(0, 79)}…` : value;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function parse(content: string): unknown {
  try {
    return JSON.parse(content) as unknown;
  } catch {
    return undefined;
  }
}
