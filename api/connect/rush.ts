/**
 * Whether a crowd is coming in: many are on their way, or were a moment ago. A crowd that goes on coming is one for a while only,
 * then as long not. Counts and clocks, nothing else.
 */

/** A crowd is over when nobody was on the way for this long. */
const CALM_MS = 100;
/** And at the latest after this: a crowd that goes on coming must not stop the work. */
const LONGEST_RUSH_MS = 4_000;

export type Rush = { isOn(): boolean; move(by: 1 | -1): void };

/** @param crowd how many on their way at once are one. `onOver` is called when it is over. */
export function createRush({ crowd, onOver }: { crowd: number; onOver: () => void }): Rush {
  let arriving = 0;
  let latest = 0;
  let began: number | null = null;
  let restUntil = 0;

  // Of one crowd many are still in the sockets when those who were let in are answered.
  const look = (): void => {
    if (began === null) return;
    const now = performance.now();
    const isLong = now - began >= LONGEST_RUSH_MS;
    if (isLong) restUntil = now + LONGEST_RUSH_MS;
    else if (arriving > 0 || now - latest < CALM_MS) {
      setTimeout(look, CALM_MS);
      return;
    }
    began = null;
    onOver();
  };

  return {
    isOn: () => began !== null,
    move(by) {
      arriving += by;
      if (by === -1) return;
      latest = performance.now();
      if (began !== null || arriving < crowd || latest < restUntil) return;
      began = latest;
      setTimeout(look, CALM_MS);
    },
  };
}
