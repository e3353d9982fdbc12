/** How many callbacks are begun: as many as the runs that were told leave room for, and nobody is held up by a count that fails. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createPace } from '../../api/connect/pace.ts';
import { createTurnstile } from '../../api/connect/turnstile.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

const ROOM = 32;

function aPace({ perMinute = 600, unheard = () => Promise.resolve(0) } = {}) {
  let working = 0;
  let rooms = 0;
  const pace = createPace({
    perMinute,
    countUnheard: unheard,
    working: () => working,
    onRoom: () => (rooms += 1),
  });
  return {
    /** Begins as many as there is room for. @returns how many. */
    begin(): number {
      let begun = 0;
      for (; begun < 10_000 && pace.hasRoom(); begun += 1) pace.took();
      return begun;
    },
    work: (count: number) => (working = count),
    rooms: () => rooms,
    hasRoom: () => pace.hasRoom(),
  };
}

describe('the pace', () => {
  test('of those who come alone is none', async () => {
    const pace = aPace();
    for (let n = 0; n < 100; n += 1) {
      expect(pace.hasRoom()).toBe(true);
      await vi.advanceTimersByTimeAsync(1_100);
    }
    expect(pace.rooms()).toBe(0);
  });

  test('of a crowd leaves room for so many, and for more as their runs go on', async () => {
    let unheard = ROOM;
    const pace = aPace({ unheard: () => Promise.resolve(unheard) });
    expect(pace.begin()).toBe(ROOM);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(pace.begin()).toBe(0);
    unheard = ROOM - 5;
    await vi.advanceTimersByTimeAsync(200);
    expect(pace.rooms()).toBe(1);
    expect(pace.begin()).toBe(5);
    unheard = 0;
    pace.work(2);
    await vi.advanceTimersByTimeAsync(200);
    expect(pace.begin()).toBe(ROOM - 2);
  });

  test('follows the organisation’s limit where that is larger', () => {
    expect(aPace({ perMinute: 60_000 }).begin()).toBe(1_000);
  });

  test('is not held up by a count that fails', async () => {
    const pace = aPace({ unheard: () => Promise.reject(new Error('no database')) });
    expect(pace.begin()).toBe(ROOM);
    await vi.advanceTimersByTimeAsync(200);
    expect(pace.begin()).toBe(ROOM);
  });
});

test('a turnstile begins no more than the pace has room for, and all of them in the end', async () => {
  let unheard = 0;
  let begun = 0;
  const turnstile = createTurnstile({
    onLateError: () => undefined,
    paceOf: (its) => createPace({ ...its, perMinute: 60, countUnheard: () => Promise.resolve(unheard) }),
  });
  const all = Array.from({ length: 100 }, (_, n) =>
    turnstile.pass(`attempt ${n}`, async () => {
      begun += 1;
      unheard += 1;
    }),
  );
  await vi.advanceTimersByTimeAsync(500);
  expect(begun).toBe(ROOM);
  expect(turnstile.waiting).toBe(100 - ROOM);
  // Their runs go on, one by one.
  for (let i = 0; i < 100; i += 1) {
    unheard = Math.max(0, unheard - 10);
    await vi.advanceTimersByTimeAsync(200);
  }
  expect(begun).toBe(100);
  await Promise.all(all);
});
