/** Plays a chaos run as its own process, as `npm run chaos` does, and reads what its checker left. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Judgement } from '../../chaos/judge.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** So that it stops what it started when the test runner is killed. */
const PRELOAD = join(ROOT, 'sandbox', 'parent-preload.ts');

export type Played = {
  readonly code: number | null;
  /** What it printed, the report included. */
  readonly output: string;
  /** Throws when the run did not come to its judgement. */
  readonly judgement: () => Judgement;
  readonly folder: string;
  readonly discard: () => void;
};

export async function playChaos(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Played> {
  const folder = mkdtempSync(join(tmpdir(), 'chaos-test-'));
  const child = spawn(
    process.execPath,
    ['--import', PRELOAD, join(ROOT, 'chaos', 'main.ts'), '--folder', folder, '--keep', ...args],
    {
      env: { ...process.env, SABOTAGE: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (process.env['TEST_LOG'] === '1') process.stderr.write(text);
    });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    code,
    output,
    judgement: () => JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8')) as Judgement,
    folder,
    discard: () => rmSync(folder, { recursive: true, force: true }),
  };
}
