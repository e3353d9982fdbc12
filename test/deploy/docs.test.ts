import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from './compose-file.ts';

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const manifest = JSON.parse(read('package.json')) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  scripts: Record<string, string>;
};

type Rule = {
  readonly name: string;
  readonly comment?: string;
  readonly to: { readonly dependencyTypesNot?: readonly string[] };
};
const rules = createRequire(import.meta.url)(join(ROOT, '.dependency-cruiser.cjs')) as {
  forbidden: readonly Rule[];
  options: { exclude: { path: string } };
};

/** The rows of the first Markdown table after a line, without its head. */
function tableAfter(text: string, marker: string): string[][] {
  const lines = text.slice(text.indexOf(marker)).split('\n');
  const first = lines.findIndex((line) => line.startsWith('|'));
  const rows = lines.slice(first + 2);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, end === -1 ? rows.length : end).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((c) => c.trim()),
  );
}

const codes = (cell: string | undefined) => [...(cell ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1]);

describe('docs/dependencies.md', () => {
  const text = read('docs/dependencies.md');

  it.each(['dependencies', 'devDependencies'] as const)(
    'has a line for each of %s and for nothing else',
    (kind) => {
      const rows = tableAfter(text, `## ${kind}\n`);
      expect(rows.flatMap((row) => codes(row[0]))).toEqual(Object.keys(manifest[kind]).sort());
      expect(rows.filter((row) => row.length !== 3 || row.some((cell) => cell === ''))).toEqual([]);
    },
  );
});

describe('docs/architecture.md', () => {
  const rows = tableAfter(read('docs/architecture.md'), '<!-- directions -->');

  it('has the direction table that dependency-cruiser enforces', () => {
    const listed = (name: string, lead: RegExp) =>
      rules.forbidden
        .filter((rule) => rule.name.endsWith(name))
        .map((rule) => [
          rule.name.slice(0, -name.length),
          (rule.comment ?? '').replace(lead, '').replaceAll('\\', '').split(', '),
        ]);
    const own = listed('-own', /^.*only: itself(, )?/).map(([from, to]) => [
      from,
      [to].flat().filter(Boolean),
    ]);
    expect(rows.map((row) => [codes(row[0])[0], codes(row[1])])).toEqual(own);
    expect(rows.map((row) => [codes(row[0])[0], codes(row[2])])).toEqual(listed('-npm', /^.*only: /));
  });

  it('says "types only" exactly where a rule says so', () => {
    const typesOnly = rules.forbidden.filter((rule) => rule.to.dependencyTypesNot?.includes('type-only'));
    expect(typesOnly.map((rule) => rule.name)).toEqual(['workflows-activities-types']);
    expect(rows.filter((row) => row[1]?.includes('types only')).map((row) => codes(row[0])[0])).toEqual([
      'workflows',
    ]);
  });

  it('describes rules on npm packages that can fire: what is excluded is never seen', () => {
    expect(new RegExp(rules.options.exclude.path).test('node_modules/pg/esm/index.mjs')).toBe(false);
  });
});

describe('the documents', () => {
  const files = [
    ...['AGENTS.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'README.md'].filter((name) =>
      existsSync(join(ROOT, name)),
    ),
    ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join('docs', name)),
  ];

  it.each(files)('%s links only to files that exist', (file) => {
    const links = [...read(file).matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)].map(
      (match) => match[1] ?? '',
    );
    expect(links.filter((link) => !existsSync(join(ROOT, dirname(file), link)))).toEqual([]);
  });

  it.each(files)('%s names only npm scripts and folders that exist', (file) => {
    const text = read(file);
    const scripts = [...text.matchAll(/`npm run ([\w:]+)/g)].map((match) => match[1] ?? '');
    expect(scripts.filter((name) => !Object.hasOwn(manifest.scripts, name))).toEqual([]);
    const paths = [
      ...text.matchAll(
        /`((?:domain|workflows|activities|composio|model|db|config|api|worker|sandbox|scripts|deploy|test|docs|bench)\/[\w./-]*)`/g,
      ),
    ];
    expect(paths.map((match) => match[1] ?? '').filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it('list every decision record, numbered without gaps, each with its three parts', () => {
    const records = readdirSync(join(ROOT, 'docs', 'adr'))
      .filter((name) => /^\d{4}-/.test(name))
      .sort();
    expect(records.map((name) => Number(name.slice(0, 4)))).toEqual(records.map((_, index) => index + 1));
    const index = read('docs/adr/README.md');
    for (const name of records) {
      expect(index).toContain(`](${name})`);
      const headings = [...read(`docs/adr/${name}`).matchAll(/^## (.*)$/gm)].map((match) => match[1]);
      expect(headings, name).toEqual(['Context', 'Decision', 'Consequences']);
    }
  });
});
