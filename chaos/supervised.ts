/** One of our own processes, started again whenever it dies, as a container platform would. Every start and exit is logged. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type NodeChild, type NodeChildOptions, startNodeChild, waitForUrl } from '../sandbox/process.ts';
import type { OperationLog } from './log.ts';

export type Supervised = {
  readonly name: string;
  /** Null while it is down. */
  readonly pid: () => number | null;
  /** How long it has worked, milliseconds; null while it starts, is frozen, or is on its way out. */
  readonly readyForMs: () => number | null;
  /** @returns whether there was a process to signal. */
  readonly signal: (signal: NodeJS.Signals) => boolean;
  /** Ends it for good, at once. */
  readonly stop: () => Promise<void>;
};

/** Between an exit and the next start: what a platform needs to notice. */
const RESTART_MS = 200;
/** After an exit within this time of its start (the database is down, say) the next start waits longer. */
const EARLY_EXIT_MS = 2_000;
const EARLY_RESTART_MS = 1_000;
/** Far above a start on a machine where everything starts at once. */
const READY_TIMEOUT_MS = 120_000;

export type SupervisedOptions = Omit<NodeChildOptions, 'name'> & {
  readonly name: string;
  readonly readyUrl: string;
};

export function supervise(options: SupervisedOptions, log: OperationLog): Supervised {
  const { name, readyUrl } = options;
  let child: NodeChild | null = null;
  let readySince: number | null = null;
  /** It was killed, and is as good as gone: another kill would count a death twice. */
  let isDoomed = false;
  let isFrozen = false;
  let isLeaving = false;
  const stopping = new AbortController();
  const once = async (): Promise<void> => {
    const started = startNodeChild(options);
    const startedAt = Date.now();
    child = started;
    log.note({ is: 'process', part: name, what: 'start', pid: started.pid });
    const watching = new AbortController();
    const becomesReady = async (): Promise<void> => {
      await waitForUrl(readyUrl, started, { timeoutMs: READY_TIMEOUT_MS, signal: watching.signal });
      readySince = Date.now();
      log.note({ is: 'process', part: name, what: 'ready', pid: started.pid });
    };
    becomesReady().catch(() => undefined); // it ended first, or is stuck: the exit tells
    const { code, signal } = await started.exited;
    watching.abort();
    child = null;
    readySince = null;
    isDoomed = false;
    isFrozen = false;
    isLeaving = false;
    log.note({ is: 'process', part: name, what: 'exit', pid: started.pid, code, signal });
    if (stopping.signal.aborted) return;
    await sleep(Date.now() - startedAt < EARLY_EXIT_MS ? EARLY_RESTART_MS : RESTART_MS);
  };
  const living = (async () => {
    while (!stopping.signal.aborted) await once();
  })();
  const signalIt = (signal: NodeJS.Signals): boolean => {
    if (child === null || child.pid === 0 || child.hasExited() || isDoomed) return false;
    try {
      isDoomed = signal === 'SIGKILL';
      if (signal === 'SIGSTOP') isFrozen = true;
      if (signal === 'SIGCONT') isFrozen = false;
      if (signal === 'SIGTERM') isLeaving = true;
      return process.kill(child.pid, signal);
    } catch {
      return false; // gone between our look and the signal
    }
  };
  return {
    name,
    pid: () => child?.pid ?? null,
    readyForMs: () =>
      readySince === null || isDoomed || isFrozen || isLeaving ? null : Date.now() - readySince,
    signal: signalIt,
    stop: async () => {
      stopping.abort();
      signalIt('SIGKILL'); // reaches a frozen process too
      await living;
    },
  };
}
