/** docs/security.md names a test for each control, docs/dependencies.md every licence: both are as they say. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from './compose-file.ts';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const rowsAfter = (text: string, heading: string): string[] =>
  (text.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('|---'))
    .slice(1);

describe('docs/security.md', () => {
  const rows = rowsAfter(read('docs/security.md'), 'Controls');

  it('has a row for each control', () => {
    expect(rows.length).toBeGreaterThan(30);
  });

  it.each(rows)('%s', (row) => {
    const [, file = '', words = ''] = /`(test\/[^`]+)` "([^"]+)" \|$/.exec(row) ?? [];
    expect(words.length).toBeGreaterThan(10);
    expect(read(file)).toContain(words);
  });

  it('says where to report a hole, and that page exists', () => {
    expect(read('docs/security.md')).toContain('](../SECURITY.md)');
    expect(read('SECURITY.md')).toMatch(/in private/);
  });
});

describe('docs/dependencies.md', () => {
  type Package = { readonly license?: string; readonly dev?: boolean };
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, Package> };
  const installed = Object.entries(packages).filter(([path]) => path !== '');
  const licencesOf = (isDev: boolean): string[] => [
    ...new Set(
      installed
        .filter(([, { dev = false }]) => dev === isDev)
        .map(([, { license = 'not named' }]) => license),
    ),
  ];
  const rows = rowsAfter(read('docs/dependencies.md'), 'Licences').map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

  it('has the licences of what is installed, in production and in development, and no others', () => {
    const listed = (column: number): string[] =>
      rows.filter((row) => row[column] === 'yes').map(([name = '']) => name);
    expect(listed(1).toSorted()).toEqual(licencesOf(false).toSorted());
    expect(listed(2).toSorted()).toEqual(licencesOf(true).toSorted());
  });

  it('names every package without a licence in the lock file', () => {
    const unnamed = installed
      .filter(([, { license }]) => license === undefined)
      .map(([path]) => path.split('node_modules/').at(-1));
    for (const name of unnamed)
      expect(read('docs/dependencies.md')).toContain(`\`not named\` is \`${name}\``);
  });
});
