/** How attempts are looked up: who comes alone at once, a crowd together, and whoever waits hears of it when that fails. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createAttemptFinder } from '../../api/connect/attempt-finder.ts';
import type { FoundAttempt } from '../../db/find-attempts.ts';
import type { Database } from '../../db/pool.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

const STATEMENT_MS = 1;
const none = undefined as unknown as Database;

function aFinder() {
  const asked: (readonly string[])[] = [];
  const state = { fails: false, statementMs: STATEMENT_MS };
  const find = createAttemptFinder(none, async (ids) => {
    asked.push(ids);
    await new Promise((resolve) => setTimeout(resolve, state.statementMs));
    if (state.fails) throw new Error('down');
    return new Map(
      ids.filter((id) => id !== 'stranger').map((id) => [id, { id } as unknown as FoundAttempt]),
    );
  });
  return { find, asked, state };
}

test('who comes alone is looked up at once, and a stranger is nobody', async () => {
  const { find, asked } = aFinder();
  for (const id of ['a', 'stranger', 'c']) {
    const found = find(id);
    await vi.advanceTimersByTimeAsync(STATEMENT_MS);
    expect(await found).toEqual(id === 'stranger' ? null : { id });
    await vi.advanceTimersByTimeAsync(20);
  }
  expect(asked).toEqual([['a'], ['stranger'], ['c']]);
});

test('of a crowd that comes a few at a time there is one statement in 50 ms, and everybody is answered', async () => {
  const { find, asked } = aFinder();
  const found: Promise<FoundAttempt | null>[] = [];
  for (let id = 0; id < 3_000; id += 1) {
    found.push(find(`a${id}`));
    if (id % 3 === 2) await vi.advanceTimersByTimeAsync(1);
  }
  await vi.advanceTimersByTimeAsync(100);
  expect((await Promise.all(found)).map((one) => (one as { id?: string } | null)?.id)).toEqual(
    found.map((_, id) => `a${id}`),
  );
  // A second of them: ten before it was a crowd, then twenty.
  expect(asked.length).toBeLessThan(40);
  expect(asked.flat()).toHaveLength(3_000);
  // A moment later nobody is held up any more.
  await vi.advanceTimersByTimeAsync(300);
  const late = find('late');
  await vi.advanceTimersByTimeAsync(STATEMENT_MS);
  expect(await late).toEqual({ id: 'late' });
});

test('a crowd whose first statements take long is still one afterwards', async () => {
  const { find, asked, state } = aFinder();
  state.statementMs = 300;
  const first = Array.from({ length: 100 }, (_, id) => find(`a${id}`));
  await vi.advanceTimersByTimeAsync(300);
  await Promise.all(first);
  state.statementMs = STATEMENT_MS;
  const next: Promise<unknown>[] = [];
  for (let id = 0; id < 20; id += 1) {
    next.push(find(`b${id}`));
    await vi.advanceTimersByTimeAsync(5);
  }
  await vi.advanceTimersByTimeAsync(50);
  await Promise.all(next);
  // A hundred milliseconds of them.
  expect(asked.length).toBeLessThanOrEqual(1 + 4);
});

test('500 who wait are one statement, whatever the time', async () => {
  const { find, asked } = aFinder();
  const found = Array.from({ length: 1_200 }, (_, id) => find(`a${id}`));
  await vi.advanceTimersByTimeAsync(100);
  await Promise.all(found);
  expect(asked.map((ids) => ids.length)).toEqual([500, 500, 200]);
});

test('all who were looked up together hear that it failed, and the next is looked up again', async () => {
  const { find, state } = aFinder();
  state.fails = true;
  const failed = Promise.allSettled([find('a'), find('b')]);
  await vi.advanceTimersByTimeAsync(STATEMENT_MS);
  expect((await failed).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  state.fails = false;
  const again = find('a');
  await vi.advanceTimersByTimeAsync(STATEMENT_MS);
  expect(await again).toEqual({ id: 'a' });
});
