/** Workflow code is loaded once for all workflows of a worker (workflows/preload.ts): nothing in it may hold state of its own. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const FILES = ['workflows', 'domain'].flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name)),
);

/** What begins a line is at module level. Maps and sets are constants only where their type says so. */
const STATE = [
  /^(?:export )?(?:let|var) .*/m,
  /^(?:export )?const \w+ = new (?:Map|Set|WeakMap|WeakSet|Array)\b.*/m,
  /^(?:export )?const \w+: (?:Map|Set|WeakMap|WeakSet)<.*/m,
  /^(?:export )?const \w+ = (?:\[\]|\{\});/m,
  /^(?:export )?const \w+ = \/.*\/[a-z]*[gy][a-z]*;/m,
];
const stateIn = (text: string): string | null =>
  STATE.map((pattern) => pattern.exec(text)?.[0]).find((line) => line !== undefined) ?? null;

test.each(FILES)('%s holds none', (file) => {
  expect(stateIn(readFileSync(join(ROOT, file), 'utf8'))).toBeNull();
});

describe('the look itself', () => {
  test.each([
    'let count = 0;',
    'export var seen;',
    'const seen = new Map<string, number>();',
    'export const seen: Set<string> = new Set();',
    'const list = [];',
    'const cache = {};',
    'const WORD = /a/g;',
  ])('finds %s', (line) => {
    expect(stateIn(`/** x */\n${line}\n`)).toBe(line);
  });
  test('lets constants be, and what is inside a function', () => {
    const fine =
      "const A: ReadonlySet<string> = new Set(['a']);\nconst B = /a/u;\nfunction f() {\n  let c = 0;\n}\nconst D = { a: 1 };\n";
    expect(stateIn(fine)).toBeNull();
  });
});
