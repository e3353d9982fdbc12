/** How many permits were used lately: what a lease ahead is sized by, and what tells how fast others let us go. Two counters. */
export type UseMeter = {
  note(nowMs: number): void;
  /** In the last span or two. */
  recent(nowMs: number): number;
  /** Milliseconds per use of late, at least `leastMs` and at most a second: how far apart those who wait will go. */
  spacingMs(nowMs: number, leastMs: number): number;
};

/** Beyond this an estimate says nothing: whoever is told comes and looks. */
const MOST_SPACING_MS = 1_000;

export function createUseMeter(spanMs: number): UseMeter {
  let startMs = 0;
  let current = 0;
  let previous = 0;

  function turn(nowMs: number): void {
    if (nowMs - startMs < spanMs) return;
    previous = nowMs - startMs < 2 * spanMs ? current : 0;
    current = 0;
    startMs = nowMs;
  }

  return {
    note(nowMs) {
      turn(nowMs);
      current += 1;
    },
    recent(nowMs) {
      turn(nowMs);
      return Math.max(current, previous);
    },
    spacingMs(nowMs, leastMs) {
      turn(nowMs);
      const uses = Math.max(current, previous);
      return uses === 0 ? leastMs : Math.max(leastMs, Math.min(spanMs / uses, MOST_SPACING_MS));
    },
  };
}
