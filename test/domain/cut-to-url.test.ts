import { describe, expect, test } from 'vitest';
import { cutToUrl } from '../../domain/cut-to-url.ts';

const encoded = (ids: readonly string[]): number => encodeURIComponent(ids.join(',')).length;

describe('a batch of user ids', () => {
  test('of ordinary length is left whole', () => {
    const ids = Array.from({ length: 100 }, (_, i) => `user-${i}`);
    expect(cutToUrl(ids)).toEqual(ids);
    expect(cutToUrl([])).toEqual([]);
  });
  test.each([
    ['x', 128],
    ['@', 128],
    ['~', 64],
  ])('of %s times %i is cut to 4 kB of address, from the start, and is never empty', (character, length) => {
    const ids = Array.from({ length: 100 }, (_, i) => `${i}`.padStart(3, '0') + character.repeat(length - 3));
    const cut = cutToUrl(ids);
    expect(cut).toEqual(ids.slice(0, cut.length));
    expect(encoded(cut)).toBeLessThanOrEqual(4_000);
    expect(encoded(ids.slice(0, cut.length + 2))).toBeGreaterThan(4_000);
    expect(cut.length).toBeGreaterThan(0);
  });
});
