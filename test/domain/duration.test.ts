import { describe, expect, test } from 'vitest';
import { parseDuration } from '../../domain/duration.ts';

describe('a duration', () => {
  test.each<[string, number]>([
    ['0s', 0],
    ['1ms', 1],
    ['500ms', 500],
    ['15s', 15_000],
    ['30m', 1_800_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['007s', 7_000],
    ['999999999d', 999_999_999 * 86_400_000],
  ])('%s is %i ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

  test.each([
    '',
    '15',
    's',
    '-1s',
    '+1s',
    '1.5s',
    '1 s',
    ' 1s',
    '1s ',
    '1S',
    '1w',
    '1m30s',
    '1e3s',
    '١s',
    '1s\n',
    '9999999999s',
  ])('%j is none', (text) => expect(parseDuration(text)).toBeNull());
});
