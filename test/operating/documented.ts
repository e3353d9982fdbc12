/** The command lines and the filters that the documents for operators give, as they stand there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const DOCS = join(import.meta.dirname, '..', '..', 'docs');
/** What is tried. docs/deploying.md and docs/scaling.md lead operators as well. */
const NAMES = ['operating.md', 'deploying.md', 'scaling.md'];

const read = (name: string): string => readFileSync(join(DOCS, name), 'utf8');

/** Each `temporal …` that has a command behind it, on one line. */
export function commandsOf(names: readonly string[] = NAMES): readonly string[] {
  const texts = names.flatMap((name) => [
    ...[...read(name).matchAll(/`(temporal [a-z-]+ [^`]+)`/g)].map(([, text = '']) => text),
    ...[...read(name).matchAll(/^(temporal .+)$/gm)].map(([, text = '']) => text),
  ]);
  return [...new Set(texts.map((text) => text.replaceAll(/\s+/g, ' ')))];
}

/** The table of filters: what is looked for, and the query. */
export function filtersOf(): ReadonlyMap<string, string> {
  const rows = [...read('operating.md').matchAll(/^\| ([^|]+) \| `([^`]+)` \|$/gm)];
  return new Map(rows.map(([, which = '', query = '']) => [which.trim(), query]));
}
