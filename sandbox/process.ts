/**
 * Runs one of our own main files as a child: in its own process group, so that a terminal's Ctrl-C reaches only the
 * parent, and with a channel to us, so that it leaves by itself when we are killed. Its output goes to a log file.
 * Secrets reach it by the environment, never by its arguments.
 */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Exit } from './daemon.ts';
import { rotateLog } from './log-file.ts';

const PRELOAD = join(import.meta.dirname, 'parent-preload.ts');
/** What a person reads when a child dies: an error with its stack fits. */
const TAIL_LINES = 20;

export type NodeChildOptions = {
  readonly name: string;
  /** Path of a main file, TypeScript or JavaScript. */
  readonly script: string;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly logFile: string;
};

export type NodeChild = {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  readonly hasExited: () => boolean;
  readonly exited: Promise<Exit>;
  /** Its last lines, standard output and error together. */
  readonly tail: () => readonly string[];
  /** Calls back for each line of standard output from its first on, until it returns true. */
  readonly onLine: (listener: (line: string) => boolean) => void;
  /** Asks it to stop (SIGTERM), and kills its whole group after `graceMs`. Resolves when it is gone. */
  readonly stop: (graceMs: number) => Promise<void>;
};

/** Starts the child; says nothing about whether it is ready. */
export function startNodeChild(options: NodeChildOptions): NodeChild {
  rotateLog(options.logFile);
  const log = createWriteStream(options.logFile, { flags: 'a', mode: 0o600 });
  const child = spawn(process.execPath, ['--import', PRELOAD, options.script], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: options.env,
    cwd: options.cwd,
  });
  const tail: string[] = [];
  const outputLines: string[] = [];
  const listeners = new Set<(line: string) => boolean>();
  const record = (line: string) => {
    log.write(`${line}\n`);
    tail.push(line);
    if (tail.length > TAIL_LINES) tail.shift();
  };
  const linesOf = (stream: Readable | null) => createInterface({ input: stream ?? Readable.from([]) });
  linesOf(child.stderr).on('line', record);
  linesOf(child.stdout).on('line', (line) => {
    record(line);
    if (outputLines.length < TAIL_LINES) outputLines.push(line); // a listener may come a moment after the line
    for (const listener of listeners) if (listener(line)) listeners.delete(listener);
  });
  let hasExited = false;
  const exited = new Promise<Exit>((resolve) => {
    const finish = (exit: Exit) => {
      hasExited = true;
      log.end();
      resolve(exit);
    };
    child.once('error', (error) => {
      record(error.message);
      finish({ code: null, signal: null });
    });
    child.once('close', (code, signal) => finish({ code, signal })); // after the last line of its output
  });
  const stop = async (graceMs: number) => {
    if (hasExited) return;
    child.kill('SIGTERM');
    const isInTime = await Promise.race([exited.then(() => true), delay(graceMs, false, { ref: false })]);
    if (!isInTime) killGroup(child.pid);
    await exited;
  };
  const onLine = (listener: (line: string) => boolean) => {
    if (!outputLines.some((line) => listener(line))) listeners.add(listener);
  };
  return {
    name: options.name,
    pid: child.pid ?? 0,
    logFile: options.logFile,
    hasExited: () => hasExited,
    exited,
    tail: () => tail,
    onLine,
    stop,
  };
}

/** A part that ended, or did not get ready. Its message is for a person: the part, how it ended, its last lines. */
export class PartFailedError extends Error {
  override readonly name = 'PartFailedError';
}

export type WaitOptions = { readonly timeoutMs: number; readonly signal?: AbortSignal };

/** Waits until `url` answers 200. Throws PartFailedError when the child ends first or the time is over. */
export async function waitForUrl(
  url: string,
  child: NodeChild,
  { timeoutMs, signal }: WaitOptions,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await answersOk(url))) {
    signal?.throwIfAborted();
    if (child.hasExited()) throw await describeEnd(child);
    if (Date.now() > deadline) throw describeLateness(child, timeoutMs);
    await delay(50);
  }
}

/** Waits for the line `{"ready":true,"url":"…"}` and gives its url. Throws as waitForUrl does. */
export async function waitForReadyLine(
  child: NodeChild,
  { timeoutMs, signal }: WaitOptions,
): Promise<string> {
  let ready: string | null = null;
  child.onLine((line) => {
    ready = parseReadyLine(line);
    return ready !== null;
  });
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (ready !== null) return ready;
    signal?.throwIfAborted();
    if (child.hasExited()) throw await describeEnd(child);
    if (Date.now() > deadline) throw describeLateness(child, timeoutMs);
    await delay(25);
  }
}

/** How a child ended that nobody asked to, for a person. */
export async function describeEnd(child: NodeChild): Promise<PartFailedError> {
  const { code, signal } = await child.exited;
  return new PartFailedError(
    withTail(child, signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`),
  );
}

function describeLateness(child: NodeChild, timeoutMs: number): PartFailedError {
  return new PartFailedError(withTail(child, `is not ready after ${timeoutMs / 1_000} s`));
}

function withTail(child: NodeChild, what: string): string {
  const lines = child.tail().map((line) => `  ${line}`);
  return [`${child.name} ${what} (log: ${child.logFile})`, ...lines].join('\n');
}

function parseReadyLine(line: string): string | null {
  if (!line.startsWith('{')) return null;
  try {
    const { ready, url } = JSON.parse(line) as { ready?: unknown; url?: unknown };
    return ready === true && typeof url === 'string' ? url : null;
  } catch {
    return null;
  }
}

function answersOk(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    // A readiness answer waits for its own checks; a process that accepts and never answers must not hold the loop.
    const request = get(url, { agent: false, timeout: 5_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.once('timeout', () => request.destroy());
    request.once('error', () => resolve(false));
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
  } catch {
    // Gone between our look and the signal.
  }
}
