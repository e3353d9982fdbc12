/** A node child whose CPU time can be asked for at any moment. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

const REPORTER = join(import.meta.dirname, 'cpu-reporter.ts');

export type MeasuredChild = {
  readonly pid: number;
  /** CPU time so far, user and system, milliseconds. */
  readonly cpuMs: () => Promise<number>;
  /** The first line of its output that matches. @throws when it ends before. */
  readonly firstLine: (pattern: RegExp) => Promise<string>;
  readonly stop: () => Promise<void>;
};

export function startMeasured(
  script: string,
  env: NodeJS.ProcessEnv,
  flags: readonly string[] = [],
): MeasuredChild {
  const child = spawn(process.execPath, [...flags, '--import', REPORTER, script], {
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const lines: string[] = [];
  const waiting: { pattern: RegExp; resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const hear = (line: string): void => {
    lines.push(line);
    if (lines.length > 50) lines.shift();
    for (const wait of waiting) if (wait.pattern.test(line)) wait.resolve(line);
  };
  createInterface({ input: child.stdout as Readable }).on('line', hear);
  createInterface({ input: child.stderr as Readable }).on('line', hear);
  child.once('exit', () => {
    for (const wait of waiting) wait.reject(new Error(`${script} ended:\n${lines.join('\n')}`));
  });
  return {
    pid: child.pid ?? 0,
    cpuMs: () =>
      new Promise((resolve) => {
        child.once('message', (message) => resolve(Number(message)));
        child.send('cpu');
      }),
    firstLine: (pattern) =>
      new Promise((resolve, reject) => {
        const line = lines.find((candidate) => pattern.test(candidate));
        if (line !== undefined) resolve(line);
        else waiting.push({ pattern, resolve, reject });
      }),
    stop: async () => {
      child.kill('SIGTERM');
      await gone;
    },
  };
}
