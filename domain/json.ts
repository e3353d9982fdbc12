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

/** JSON text that PostgreSQL can keep: NUL and lone surrogates become U+FFFD, in keys too. Other values are as they were. */
export function storableJson(value: Json): string {
  const text = JSON.stringify(value);
  return UNSTORABLE.test(text) ? JSON.stringify(clean(value)) : text;
}

/** Text that PostgreSQL can keep; what comes from outside (a tool's error, a status' reason) may hold NUL. */
export function storableText(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}

function clean(value: Json): Json {
  if (typeof value === 'string') return storableText(value);
  if (Array.isArray(value)) return (value as readonly Json[]).map(clean);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [clean(key) as string, clean(inner as Json)]),
    );
  }
  return value;
}
