/** Small readers for values that came over the wire. Pure. */

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** NUL and lone surrogates become U+FFFD: PostgreSQL stores neither, and a transcript that cannot be stored loses its run. */
export function cleanText(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}
