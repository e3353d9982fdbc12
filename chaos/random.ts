/** Numbers that depend on a seed and a name alone, so that one part's draws never shift another's. Holds no clock. */

export type Random = {
  /** From 0 up to, not including, 1. */
  readonly next: () => number;
  /** A whole number from `min` to `max`, both included. */
  readonly int: (min: number, max: number) => number;
  readonly chance: (probability: number) => boolean;
  readonly pick: <T>(items: readonly T[]) => T;
  /** One of the items, by weight. */
  readonly weighted: <T>(items: readonly { readonly weight: number; readonly item: T }[]) => T;
};

/** mulberry32, started from the seed and the name of the stream. */
export function createRandom(seed: number, stream: string): Random {
  let state = seed >>> 0;
  for (const character of stream) state = Math.imul(state ^ character.charCodeAt(0), 0x01000193) >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const int = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  const pick = <T>(items: readonly T[]): T => {
    const item = items[int(0, items.length - 1)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  };
  const weighted = <T>(items: readonly { readonly weight: number; readonly item: T }[]): T => {
    let left = next() * items.reduce((sum, { weight }) => sum + weight, 0);
    for (const { weight, item } of items) {
      left -= weight;
      if (left < 0) return item;
    }
    return pick(items).item;
  };
  return { next, int, chance: (probability) => next() < probability, pick, weighted };
}
