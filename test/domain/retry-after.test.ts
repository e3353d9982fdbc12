/** How long a server asks us to wait, in each of its spellings. */
import { expect, test } from 'vitest';
import { readRetryAfter } from '../../domain/retry-after.ts';

const NOW = Date.parse('2026-01-05T10:00:00Z');
const read = (headers: Record<string, string>) => {
  const all = new Headers(headers);
  return readRetryAfter((name) => all.get(name), NOW);
};

test.each([
  [{ 'retry-after-ms': '1500' }, 1_500],
  [{ 'retry-after-ms': '1500', 'retry-after': '9' }, 1_500],
  [{ 'retry-after': '2' }, 2_000],
  [{ 'retry-after': '7' }, 7_000],
  [{ 'retry-after': '0.5' }, 500],
  [{ 'retry-after': '0' }, 0],
  [{ 'retry-after': 'Mon, 05 Jan 2026 10:00:20 GMT' }, 20_000],
  [{ 'retry-after': 'Mon, 05 Jan 2026 09:00:00 GMT' }, 0],
  // Two hours are two hours; only what would park a run for days is cut.
  [{ 'retry-after': '7200' }, 7_200_000],
  [{ 'retry-after': '999999999' }, 12 * 3_600_000],
  [{ 'retry-after': '-5' }, null],
  [{ 'retry-after': 'soon' }, null],
  [{ 'retry-after': '' }, null],
  [{}, null],
])('reads %j as %s ms', (headers, expected) => {
  expect(read(headers as Record<string, string>)).toBe(expected);
});

test("reads a date by the server's clock, so that ours being ahead does not bring us too soon", () => {
  const retryAfter = 'Mon, 05 Jan 2026 10:00:20 GMT';
  expect(read({ 'retry-after': retryAfter, date: 'Mon, 05 Jan 2026 09:59:50 GMT' })).toBe(30_000);
  expect(read({ 'retry-after': retryAfter, date: 'yesterday' })).toBe(20_000);
});
