/** The caches of catalogue data: bounded, ageing, shared by all who ask at once, and never holding up one who gives up. */
import { describe, expect, it } from 'vitest';
import { createCoalescer } from '../../composio/coalesce.ts';
import { ComposioFailure } from '../../composio/failure.ts';
import { createLru } from '../../composio/lru.ts';

describe('createLru', () => {
  it('gives nothing that is older than its age, even when it was just used', () => {
    let now = 0;
    const cache = createLru<string>({ maxEntries: 10, maxAgeMs: 100, now: () => now });
    cache.set('a', 'x');
    now = 99;
    expect(cache.get('a')).toBe('x');
    now = 100;
    expect(cache.get('a')).toBeUndefined();
  });

  it('drops the least recently used entry, and never holds more than its bound', () => {
    const cache = createLru<number>({ maxEntries: 2 });
    cache.set('a', 1);
    cache.set('b', 2);
    cache.get('a');
    cache.set('c', 3);
    expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([1, undefined, 3]);
  });
});

describe('createCoalescer', () => {
  it('does the work once for all who ask at once, and again for who asks later', async () => {
    const coalesce = createCoalescer<number>();
    let works = 0;
    const work = async (): Promise<number> => ++works;
    expect(await Promise.all([coalesce('k', work), coalesce('k', work), coalesce('other', work)])).toEqual([
      1, 1, 2,
    ]);
    expect(await coalesce('k', work)).toBe(3);
  });

  it('lets one caller give up without disturbing the others', async () => {
    const coalesce = createCoalescer<string>();
    const { promise, resolve } = Promise.withResolvers<string>();
    const controller = new AbortController();
    const impatient = coalesce('k', () => promise, controller.signal);
    const patient = coalesce('k', () => promise);
    controller.abort();
    await expect(impatient).rejects.toBeInstanceOf(ComposioFailure);
    resolve('done');
    expect(await patient).toBe('done');
  });

  it('keeps no failure: the next caller tries anew', async () => {
    const coalesce = createCoalescer<string>();
    await expect(coalesce('k', async () => Promise.reject(new Error('down')))).rejects.toThrow('down');
    expect(await coalesce('k', async () => 'up')).toBe('up');
  });
});
