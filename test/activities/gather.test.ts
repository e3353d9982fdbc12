/** Calls of one turn report together: none before the last one is done, and a failure holds nobody for ever. */
import { describe, expect, test } from 'vitest';
import { createGather } from '../../activities/gather.ts';

/** Work that is finished from outside. */
function order() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  return { work: () => promise, resolve, reject };
}
const settledOf = (promise: Promise<unknown>): Promise<boolean> =>
  Promise.race([
    promise.then(
      () => true,
      () => true,
    ),
    new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 20)),
  ]);

describe('a group', () => {
  test('holds each result until the last one of the same key is there', async () => {
    const gather = createGather();
    const [a, b, c] = [order(), order(), order()];
    const results = [gather('k', a.work), gather('k', b.work), gather('k', c.work)];
    a.resolve('a');
    b.resolve('b');
    expect(await Promise.all(results.slice(0, 2).map(settledOf))).toEqual([false, false]);
    c.resolve('c');
    expect(await Promise.all(results)).toEqual(['a', 'b', 'c']);
  });

  test('of another key is not waited for', async () => {
    const gather = createGather();
    const other = order();
    const waiting = gather('other', other.work);
    const mine = order();
    mine.resolve('mine');
    expect(await gather('k', mine.work)).toBe('mine');
    other.resolve('other');
    await waiting;
  });

  test('passes an error on, and lets the others go', async () => {
    const gather = createGather();
    const [a, b] = [order(), order()];
    const results = [gather('k', a.work), gather('k', b.work)];
    a.reject(new Error('no'));
    b.resolve('b');
    expect((await Promise.allSettled(results)).map((result) => result.status)).toEqual([
      'rejected',
      'fulfilled',
    ]);
    const next = order();
    next.resolve('next');
    expect(await gather('k', next.work)).toBe('next');
  });
});
