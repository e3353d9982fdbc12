/** What callbacks leave for later: done when nobody waits any more, a few at a time, tried again, and done at once when the process stops. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createLater } from '../../api/connect/later.ts';

beforeEach(
  () =>
    void vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'],
    }),
);
afterEach(() => void vi.useRealTimers());

function aDesk() {
  const state = { isCalm: true, done: [] as number[], errors: [] as unknown[] };
  const later = createLater({ isCalm: () => state.isCalm });
  const onError = (error: unknown): void => void state.errors.push(error);
  const add = (id: number, work = async () => void state.done.push(id)): void => later.add({ work, onError });
  return { state, later, add };
}

test('nothing is done at once, then six in a quarter of a second, in order', async () => {
  const { state, later, add } = aDesk();
  for (let id = 0; id < 10; id += 1) add(id);
  await vi.advanceTimersByTimeAsync(900);
  expect([state.done, later.waiting]).toEqual([[], 10]);
  await vi.advanceTimersByTimeAsync(150);
  expect(state.done).toEqual([0, 1, 2, 3, 4, 5]);
  await vi.advanceTimersByTimeAsync(500);
  expect(state.done).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(vi.getTimerCount()).toBe(0);
  add(10);
  await vi.advanceTimersByTimeAsync(1_300);
  expect(state.done.at(-1)).toBe(10);
});

test('while a crowd waits nothing is done, but for what has waited for five minutes', async () => {
  const { state, add } = aDesk();
  state.isCalm = false;
  add(0);
  await vi.advanceTimersByTimeAsync(60_000);
  add(1);
  await vi.advanceTimersByTimeAsync(239_000);
  expect(state.done).toEqual([]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(state.done).toEqual([0]);
  state.isCalm = true;
  await vi.advanceTimersByTimeAsync(300);
  expect(state.done).toEqual([0, 1]);
});

test('what fails is tried five times, and each time is told', async () => {
  const { state, later, add } = aDesk();
  let tries = 0;
  add(0, async () => {
    tries += 1;
    throw new Error(`try ${tries}`);
  });
  add(1);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(state.errors.map(String)).toEqual([1, 2, 3, 4, 5].map((n) => `Error: try ${n}`));
  expect([state.done, later.waiting]).toEqual([[1], 0]);
});

test('a process that stops does all of it now, waits for that as long as it may, and tries nothing again', async () => {
  const { state, later, add } = aDesk();
  state.isCalm = false;
  for (let id = 0; id < 100; id += 1) add(id);
  add(100, () => Promise.reject(new Error('down')));
  await later.flush(1_000);
  expect(state.done).toHaveLength(100);
  expect([later.waiting, state.errors.map(String)]).toEqual([0, ['Error: down']]);
  add(101, () => new Promise(() => undefined));
  let isOver = false;
  void later.flush(1_000).then(() => (isOver = true));
  await vi.advanceTimersByTimeAsync(900);
  expect(isOver).toBe(false);
  await vi.advanceTimersByTimeAsync(200);
  expect(isOver).toBe(true);
});

test('with nothing left to do it stops at once', async () => {
  await aDesk().later.flush(60_000);
  expect(vi.getTimerCount()).toBe(0);
});

test('of more than 20,000 the last are done at once', async () => {
  const { state, later, add } = aDesk();
  state.isCalm = false;
  for (let id = 0; id < 20_002; id += 1) add(id);
  await vi.advanceTimersByTimeAsync(0);
  expect([later.waiting, state.done]).toEqual([20_000, [20_000, 20_001]]);
});
