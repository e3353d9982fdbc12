/**
 * Cursors: the key of the last row of a page, opaque to callers. The checksum catches a cursor that was cut, mixed up
 * with another list's or edited; it is no secret, for a cursor gives nobody more than the list itself does.
 */
import { createHash } from 'node:crypto';
import { invalid } from './problem-codes.ts';

const CHECKSUM_BYTES = 9;

export function encodeCursor(list: string, key: readonly string[]): string {
  const payload = Buffer.from(JSON.stringify(key));
  return Buffer.concat([checksum(list, payload), payload]).toString('base64url');
}

/** @throws ApiProblem invalid_request when it is none of this list's cursors. Null for no cursor. */
export function decodeCursor(
  list: string,
  length: number,
  cursor: string | undefined,
): readonly string[] | null {
  if (cursor === undefined) return null;
  const bytes = Buffer.from(cursor, 'base64url');
  const payload = bytes.subarray(CHECKSUM_BYTES);
  const intact =
    bytes.toString('base64url') === cursor &&
    checksum(list, payload).equals(bytes.subarray(0, CHECKSUM_BYTES));
  const key: unknown = intact ? JSON.parse(payload.toString()) : null;
  if (Array.isArray(key) && key.length === length && key.every((part) => typeof part === 'string'))
    return key;
  throw invalid('query/cursor', 'is not a cursor of this list');
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
