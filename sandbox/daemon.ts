/**
 * Runs a program that is not ours (postgres, temporal) in its own process group, its output straight into a log file.
 * Such a program cannot be told to leave when we are killed, so a pid file names it and us; the next start finds it
 * there and stops it. It never signals a process that it cannot prove to be the noted one.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { identifyProcess } from './process-identity.ts';
import { StartError } from './start-error.ts';

export type DaemonOptions = {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly logFile: string;
  readonly pidFile: string;
  /** What asks it to stop in order. */
  readonly stopSignal: NodeJS.Signals;
};

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type Daemon = {
  readonly pid: number;
  readonly hasExited: () => boolean;
  readonly exited: Promise<Exit>;
  /** Asks it to stop, and kills it after `graceMs`. Resolves when it is gone. */
  readonly stop: (graceMs: number) => Promise<void>;
};

type PidNote = {
  readonly pid: number;
  readonly identity: string;
  readonly ownerPid: number;
  readonly ownerIdentity: string;
};

/** Somebody who is alive uses this data directory. */
export class InUseError extends Error {
  readonly ownerPid: number;
  constructor(name: string, ownerPid: number) {
    super(`${name} of this data directory is in use by process ${ownerPid}`);
    this.name = 'InUseError';
    this.ownerPid = ownerPid;
  }
}

/** Starts the program. Throws when it cannot be executed; says nothing about whether it is ready. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const log = openSync(options.logFile, 'a', 0o600);
  const child = spawn(options.command, options.args, {
    detached: true, // a terminal's Ctrl-C must reach only us: the order of the stop is ours to keep
    stdio: ['ignore', log, log],
    env: options.env ?? process.env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  });
  closeSync(log);
  let hasExited = false;
  const stopAtExit = () => child.kill(options.stopSignal);
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      hasExited = true;
      process.off('exit', stopAtExit);
      rmSync(options.pidFile, { force: true });
      resolve({ code, signal });
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  const pid = child.pid ?? 0;
  writePidNote(options.pidFile, pid);
  process.once('exit', stopAtExit); // an uncaught error must not leave it behind
  const stop = async (graceMs: number) => {
    if (hasExited) return;
    child.kill(options.stopSignal);
    const inTime = await Promise.race([exited.then(() => true), delay(graceMs, false, { ref: false })]);
    if (!inTime) child.kill('SIGKILL');
    await exited;
  };
  return { pid, hasExited: () => hasExited, exited, stop };
}

export type ReadinessOptions<T> = {
  readonly name: string;
  /** Gives what proves that the server is ready, or null: not yet. */
  readonly probe: () => Promise<T | null>;
  readonly tail: () => string[];
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
};

/** Asks until it is ready. Throws one line and the end of the log when it ended or the time is over. */
export async function waitForDaemon<T>(daemon: Daemon, options: ReadinessOptions<T>): Promise<T> {
  const deadline = Date.now() + options.timeoutMs;
  const describe = (what: string) =>
    new StartError([`${options.name} ${what}`, ...options.tail().map((line) => `  ${line}`)].join('\n'));
  for (;;) {
    const proof = await options.probe();
    if (proof !== null) return proof;
    options.signal?.throwIfAborted();
    if (daemon.hasExited()) throw describe('ended while starting');
    if (Date.now() > deadline) throw describe(`is not ready after ${options.timeoutMs / 1_000} s`);
    await delay(30);
  }
}

/**
 * Stops what an earlier, killed run left behind, as its pid file tells. True when there was something to stop.
 * Throws InUseError when the run that started it is alive.
 */
export async function stopLeftover(
  name: string,
  pidFile: string,
  stopSignal: NodeJS.Signals,
): Promise<boolean> {
  const note = readPidNote(pidFile);
  if (note === null || identifyProcess(note.pid) !== note.identity) return false;
  if (identifyProcess(note.ownerPid) === note.ownerIdentity) throw new InUseError(name, note.ownerPid);
  await stopProcess(note.pid, note.identity, stopSignal);
  rmSync(pidFile, { force: true });
  return true;
}

/** Stops a process that is no child of ours: asks, waits 5 s (a fast shutdown of postgres takes well under one), kills. */
export async function stopProcess(pid: number, identity: string, stopSignal: NodeJS.Signals): Promise<void> {
  for (const signal of [stopSignal, 'SIGKILL'] as const) {
    if (identifyProcess(pid) !== identity) return;
    process.kill(pid, signal);
    const deadline = Date.now() + 5_000;
    while (Date.now() < deadline) {
      if (identifyProcess(pid) !== identity) return;
      await delay(25);
    }
  }
  throw new Error(`process ${pid} does not stop`);
}

function writePidNote(pidFile: string, pid: number): void {
  const identity = identifyProcess(pid);
  const ownerIdentity = identifyProcess(process.pid);
  if (identity === null || ownerIdentity === null) return; // already gone; its exit is reported by `exited`
  const note: PidNote = { pid, identity, ownerPid: process.pid, ownerIdentity };
  writeFileSync(pidFile, JSON.stringify(note), { mode: 0o600 });
}

function readPidNote(pidFile: string): PidNote | null {
  try {
    return JSON.parse(readFileSync(pidFile, 'utf8')) as PidNote;
  } catch {
    return null; // none, or cut off by a crash: then nothing can be proved about any process
  }
}
