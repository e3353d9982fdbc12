/** `npm start` to ready: cold (an empty data folder, the Temporal binary there) and warm (the same folder again). */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { percentile, printTable, round } from './figures.ts';

const ROUNDS = 3;

export async function runStart(): Promise<void> {
  const cold: number[] = [];
  const warm: number[] = [];
  const stop: number[] = [];
  for (let i = 0; i < ROUNDS; i += 1) {
    const folder = mkdtempSync(join(tmpdir(), 'bellhop-bench-'));
    for (const times of [cold, warm]) {
      const once = await startOnce(folder);
      times.push(once.readyMs);
      stop.push(once.stopMs);
    }
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`\n\`npm start\`, ${ROUNDS} rounds, seconds:\n`);
  const row = (name: string, ms: readonly number[]): string[] => [
    name,
    round(Math.min(...ms) / 1e3),
    round(percentile(ms, 0.5) / 1e3),
    round(Math.max(...ms) / 1e3),
  ];
  printTable([
    ['', 'min', 'median', 'max'],
    row('cold to ready', cold),
    row('warm to ready', warm),
    row('Ctrl-C to gone', stop),
  ]);
}

async function startOnce(folder: string): Promise<{ readyMs: number; stopMs: number }> {
  const from = performance.now();
  const child = spawn('npm', ['start'], {
    env: { ...process.env, BELLHOP_DATA_DIR: folder, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = new Promise<number | null>((resolve) => child.once('exit', resolve));
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (/Bellhop is ready/.test(line)) resolve();
    });
    void gone.then((code) => reject(new Error(`npm start ended with ${code}`)));
  });
  const readyMs = performance.now() - from;
  const stopFrom = performance.now();
  child.kill('SIGINT');
  const code = await gone;
  if (code !== 0) throw new Error(`npm start stopped with ${code}`);
  return { readyMs, stopMs: performance.now() - stopFrom };
}
