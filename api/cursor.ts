/**
 * Cursors: the key of the last row of a page, opaque to callers. The checksum catches a cursor that was cut, mixed up
 * with another list's or edited; it is no secret, for a cursor gives nobody more than the list itself does. Who computes
 * one anew gets no further than the kinds of its parts, so that nothing reaches the database that it could choke on.
 */
import { createHash } from 'node:crypto';
import { invalid } from './problem-codes.ts';

const CHECKSUM_BYTES = 9;

/** What a part of a list's key may be: PostgreSQL's text of a time, an id of ours or a user's, a sequence number. */
export type CursorPart = 'time' | 'id' | 'number';
const PATTERNS: Readonly<Record<CursorPart, RegExp>> = {
  time: /^(\d{4})-(0[1-9]|1[0-2])-(\d\d) ([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?[+-](0\d|1[0-5])(:[0-5]\d)?$/,
  id: /^[\x21-\x7e]{1,200}$/,
  number: /^\d{1,15}$/,
};

function isPart(kind: CursorPart, text: unknown): text is string {
  if (typeof text !== 'string') return false;
  const match = PATTERNS[kind].exec(text);
  if (!match || kind !== 'time') return match !== null;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  return year > 0 && day > 0 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}

export function encodeCursor(list: string, key: readonly string[]): string {
  const payload = Buffer.from(JSON.stringify(key));
  return Buffer.concat([checksum(list, payload), payload]).toString('base64url');
}

/** @throws ApiProblem invalid_request when it is none of this list's cursors. Null for no cursor. */
export function decodeCursor(
  list: string,
  parts: readonly CursorPart[],
  cursor: string | undefined,
): readonly string[] | null {
  if (cursor === undefined) return null;
  const bytes = Buffer.from(cursor, 'base64url');
  const payload = bytes.subarray(CHECKSUM_BYTES);
  const intact =
    bytes.toString('base64url') === cursor &&
    checksum(list, payload).equals(bytes.subarray(0, CHECKSUM_BYTES));
  const key = intact ? parseOrNull(payload.toString()) : null;
  if (Array.isArray(key) && key.length === parts.length && parts.every((kind, i) => isPart(kind, key[i])))
    return key as readonly string[];
  throw invalid('query/cursor', 'is not a cursor of this list');
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function checksum(list: string, payload: Buffer): Buffer {
  return createHash('sha256').update(`${list}\0`).update(payload).digest().subarray(0, CHECKSUM_BYTES);
}

/** Of `limit + 1` rows, the page, and the cursor that leads to the rest. */
export function toPage<T>(
  list: string,
  rows: readonly T[],
  limit: number,
  keyOf: (row: T) => readonly string[],
): { items: T[]; nextCursor: string | null } {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return {
    items,
    nextCursor: rows.length > limit && last !== undefined ? encodeCursor(list, keyOf(last)) : null,
  };
}
