/** Reads how long a server asks us to wait: `retry-after-ms`, else `Retry-After` in seconds or as an HTTP date. Pure. */

/** A wrong header must not park a run for days: half of the day after which an outage fails a run (workflows/policies.ts). */
export const MAX_RETRY_AFTER_MS = 12 * 3_600_000;

/**
 * Milliseconds to wait, at most `MAX_RETRY_AFTER_MS`; null when nothing readable was asked for. A date is read against the
 * server's own clock where its answer tells it (`Date`), for ours may be ahead; `now` stands in for it.
 */
export function readRetryAfter(header: (name: string) => string | null, now: number): number | null {
  const ms = readNumber(header('retry-after-ms'));
  if (ms !== null) return clamp(ms);
  const text = header('retry-after');
  const seconds = readNumber(text);
  if (seconds !== null) return clamp(seconds * 1_000);
  const until = readDate(text);
  return until === null ? null : clamp(until - (readDate(header('date')) ?? now));
}

function readNumber(text: string | null): number | null {
  return text !== null && /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : null;
}

/** Only a date of RFC 9110 begins with a day's name; Date.parse alone would take "-5" for a year. */
function readDate(text: string | null): number | null {
  if (text === null || !/^[A-Za-z]{3,9},? /.test(text.trim())) return null;
  const date = Date.parse(text);
  return Number.isNaN(date) ? null : date;
}

function clamp(ms: number): number {
  return Math.min(MAX_RETRY_AFTER_MS, Math.max(0, Math.ceil(ms)));
}
