/** Reads how long a provider asks us to wait: `retry-after-ms`, else `Retry-After` in seconds or as an HTTP date. Pure. */

/** A provider that asks for more than an hour would park a run for good; after an hour another try costs nothing. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** Milliseconds from `now`, at most an hour; null when nothing readable was asked for. */
export function readRetryAfter(headers: Headers | undefined, now: number): number | null {
  const ms = readNumber(headers?.get('retry-after-ms'));
  if (ms !== null) return clamp(ms);
  const text = headers?.get('retry-after');
  const seconds = readNumber(text);
  if (seconds !== null) return clamp(seconds * 1_000);
  // Only a date of RFC 9110 begins with a day's name; Date.parse alone would take "-5" for a year.
  if (text === null || text === undefined || !/^[A-Za-z]{3,9},? /.test(text.trim())) return null;
  const date = Date.parse(text);
  return Number.isNaN(date) ? null : clamp(date - now);
}

function readNumber(text: string | null | undefined): number | null {
  return text !== null && text !== undefined && /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : null;
}

function clamp(ms: number): number {
  return Math.min(MAX_RETRY_AFTER_MS, Math.max(0, Math.ceil(ms)));
}
