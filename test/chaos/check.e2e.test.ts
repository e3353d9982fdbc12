/** The checker as a process: it reads a folder alone, and says by its exit code what it found. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cleanRecord, effect, writeRecord } from './record.ts';

const CHECK = join(import.meta.dirname, '..', '..', 'chaos', 'check.ts');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chaos-check-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const check = (...more: readonly string[]) =>
  spawnSync(process.execPath, [CHECK, folder, ...more], { encoding: 'utf8' });

test('exits 0 on a clean folder, and writes the report where it is told to', () => {
  writeRecord(folder, cleanRecord());
  const file = join(folder, 'out.md');
  const { status, stdout } = check('--report', file);
  expect(status).toBe(0);
  expect(stdout).toContain('Nothing was found.');
  expect(readFileSync(file, 'utf8').trim()).toBe(stdout.trim());
  expect(existsSync(join(folder, 'report.json'))).toBe(true);
});

test('exits 1 on a violation, and names it', () => {
  writeRecord(folder, cleanRecord({ effects: [effect(), effect({ seq: 2 })] }));
  const { status, stdout } = check();
  expect(status).toBe(1);
  expect(stdout).toContain('| duplicates | 1 |');
});

test('reads past a line that a killed process left half written', () => {
  writeRecord(folder, cleanRecord());
  const journal = join(folder, 'composio', 'composio-effects.jsonl');
  const half = '{"seq":2,"at":"2026';
  writeRecord(folder, cleanRecord());
  appendFileSync(journal, half);
  expect(check().status).toBe(0);
});

test('exits 2 when evidence is missing: that is not innocence', () => {
  writeRecord(folder, cleanRecord());
  rmSync(join(folder, 'workflows.jsonl'));
  const { status, stderr } = check();
  expect(status).toBe(2);
  expect(stderr).toContain('workflows.jsonl is missing');
});
