/** docs/connect-security.md names a test for each attack: the test is there, under these words. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const rows = readFileSync(join(ROOT, 'docs/connect-security.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .slice(1);

test('there is a row for each attack', () => {
  expect(rows.length).toBeGreaterThan(35);
});

test.each(rows)('%s', (row) => {
  const [, file, words] = /`([\w-]+)` "([^"]+)" \|$/.exec(row) ?? [];
  const source = readFileSync(join(ROOT, 'test/attacks', `${file}.test.ts`), 'utf8');
  expect(source).toContain(words);
});
