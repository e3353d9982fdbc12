import { expect, test } from 'vitest';
import { readRetryAfter } from '../../model/retry-after.ts';

const NOW = Date.parse('2026-01-05T10:00:00Z');
const read = (headers: Record<string, string>) => readRetryAfter(new Headers(headers), NOW);

test.each([
  [{ 'retry-after-ms': '1500' }, 1_500],
  [{ 'retry-after-ms': '1500', 'retry-after': '9' }, 1_500],
  [{ 'retry-after': '2' }, 2_000],
  [{ 'retry-after': '0.5' }, 500],
  [{ 'retry-after': 'Mon, 05 Jan 2026 10:00:20 GMT' }, 20_000],
  [{ 'retry-after': 'Mon, 05 Jan 2026 09:00:00 GMT' }, 0],
  [{ 'retry-after': '999999999' }, 3_600_000],
  [{ 'retry-after': '-5' }, null],
  [{ 'retry-after': 'soon' }, null],
  [{ 'retry-after': '' }, null],
  [{}, null],
])('reads %j as %s ms', (headers, expected) => {
  expect(read(headers as Record<string, string>)).toBe(expected);
});

test('reads nothing where there are no headers', () => {
  expect(readRetryAfter(undefined, NOW)).toBeNull();
});
