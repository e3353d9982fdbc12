/** JSON values and their canonical text (RFC 8785 in spirit: sorted keys, no white space), so that equal values have equal digests. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** Canonical text of a JSON value: object keys sorted by UTF-16 code units, numbers as ECMAScript prints them. */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(canonicalJson).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const object = value as JsonObject;
    const members = Object.keys(object)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${canonicalJson(object[key] ?? null)}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value);
}

/** Escapes that PostgreSQL's jsonb refuses: NUL, and surrogates that stand alone. JSON.stringify writes the latter in lower case. */
const UNSTORABLE = /\\u(0000|d[89a-f][0-9a-f]{2})/;
/** JSON.stringify and PostgreSQL's parser both recurse, and give up at a few thousand levels; no provider's result has a hundred. */
export const MAX_JSON_DEPTH = 500;
/** PostgreSQL holds 32 bytes and more per value while it reads, and refuses arrays above 1 GB or jsonb above 256 MB. */
const MAX_JSON_VALUES = 4_000_000;

/**
 * JSON text that PostgreSQL can keep as jsonb, for any value: NUL and lone surrogates become U+FFFD, in keys too; what is
 * nested deeper than `MAX_JSON_DEPTH` becomes a note; a value of too many parts becomes one string that holds its whole text.
 * Other values are as they were. It never throws: what it is given has happened, and must be written down.
 */
export function storableJson(value: Json): string {
  const size = { values: 0 };
  const isDeep = isNestedDeeper(value, MAX_JSON_DEPTH, size);
  const text = JSON.stringify(isDeep ? clean(value, MAX_JSON_DEPTH) : value);
  const stored = UNSTORABLE.test(text) ? JSON.stringify(clean(value, MAX_JSON_DEPTH)) : text;
  return size.values > MAX_JSON_VALUES ? JSON.stringify(stored) : stored;
}

/** Whether arrays and objects stand in each other more than `depth` levels deep; recurses no deeper than that itself. Adds up all values. */
export function isNestedDeeper(value: Json, depth: number, size = { values: 0 }): boolean {
  if (value === null || typeof value !== 'object') return false;
  if (depth === 0) return true;
  const inner: readonly Json[] = Array.isArray(value) ? value : Object.values(value);
  size.values += inner.length;
  let isDeeper = false;
  // Not left at the first find: the sum must be of all.
  for (const one of inner) isDeeper = isNestedDeeper(one, depth - 1, size) || isDeeper;
  return isDeeper;
}

/** Text that PostgreSQL can keep; what comes from outside (a tool's error, a status' reason) may hold NUL. */
export function storableText(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}

function clean(value: Json, depth: number): Json {
  if (typeof value === 'string') return storableText(value);
  if (value === null || typeof value !== 'object') return value;
  if (depth === 0) return '[cut: nested too deeply]';
  if (Array.isArray(value)) return (value as readonly Json[]).map((inner) => clean(inner, depth - 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [storableText(key), clean(inner as Json, depth - 1)]),
  );
}
