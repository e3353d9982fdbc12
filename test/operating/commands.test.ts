/** No command of the documents for operators is untried: each stands, word by word, in a test that types it. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { commandsOf } from './documented.ts';

test('each command that a document gives is typed in a test', () => {
  const tests = readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith('.e2e.test.ts'))
    .map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'))
    .join('\n');
  const commands = commandsOf();
  expect(commands.length).toBeGreaterThanOrEqual(13);
  expect(commands.filter((command) => !tests.includes(command))).toEqual([]);
});
