/** How often flows look for their accounts: as configured, and together ten times a second at most where thousands have clicked. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createPollPace } from '../../activities/poll-pace.ts';
import type { Database } from '../../db/pool.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

const none = undefined as unknown as Database;

test.each([
  [0, 15_000],
  [150, 15_000],
  [151, 15_100],
  [1_000, 100_000],
  [2_400, 240_000],
  [2_401, 240_000],
])('of %i flows that were clicked each looks every %i ms', async (clicked, ms) => {
  expect(await createPollPace(none, 15_000, () => Promise.resolve(clicked))()).toBe(ms);
});

test('an interval that is longer by itself stays', async () => {
  expect(await createPollPace(none, 600_000, () => Promise.resolve(5_000))()).toBe(600_000);
});

test('they are counted once for all who look within five seconds', async () => {
  let counts = 0;
  const pace = createPollPace(none, 15_000, () => Promise.resolve((counts += 1) * 1_000));
  expect(await Promise.all([pace(), pace(), pace()])).toEqual([100_000, 100_000, 100_000]);
  vi.advanceTimersByTime(4_000);
  await pace();
  expect(counts).toBe(1);
  vi.advanceTimersByTime(2_000);
  expect([await pace(), counts]).toEqual([200_000, 2]);
});

test('where they cannot be counted the interval is the configured one', async () => {
  expect(await createPollPace(none, 15_000, () => Promise.reject(new Error('down')))()).toBe(15_000);
});
