/**
 * The Temporal dev server as a child, with the flags that Bellhop is measured with. It resolves no binary and
 * is no production server.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Daemon } from '../daemon.ts';
import { startDaemon, stopLeftover } from '../daemon.ts';
import { findFreePort } from '../free-port.ts';
import { readTail } from '../log-tail.ts';
import { isNamespaceReady } from './readiness.ts';
import { SEARCH_ATTRIBUTES } from './search-attributes.ts';

export type TemporalOptions = {
  /** The `temporal` CLI. */
  readonly binary: string;
  /** A file that survives restarts, or memory for tests. */
  readonly store: { readonly dbFile: string } | 'memory';
  readonly ui: boolean;
  /** Taken when they are free. */
  readonly port?: number;
  readonly uiPort?: number;
  readonly namespace: string;
  readonly log: (line: string) => void;
};

export type RunningTemporal = {
  readonly address: string;
  readonly port: number;
  readonly namespace: string;
  readonly uiUrl: string | null;
  readonly uiPort: number | null;
  readonly logFile: string;
  readonly pid: number;
  /** Resolves when the server is gone, asked or not. */
  readonly exited: Promise<unknown>;
  readonly stop: () => Promise<void>;
};

/** 1.5 to 1.8 s were measured on 2 idle cores; a busy machine with a large file gets ten times that and more. */
const READY_TIMEOUT_MS = 40_000;
/** It stops in about a second when idle; it is killed before the 10 s of the whole stop are over. */
const STOP_GRACE_MS = 4_000;

/**
 * Each hop of a workflow waits for a 50 ms grid without the poll rates; eager dispatch spares a hop per activity.
 * Eleven sequential activities on a file: 1,148 ms stock, 182 to 191 ms with these and the pragmas.
 */
const DYNAMIC_CONFIG = [
  'history.transferProcessorMaxPollRPS=2000',
  'history.timerProcessorMaxPollRPS=2000',
  'history.visibilityProcessorMaxPollRPS=2000',
  'system.enableActivityEagerExecution=true',
  'matching.enableFairness=true',
];
const SQLITE_PRAGMAS = ['journal_mode=wal', 'synchronous=normal'];

/** Starts the server and waits until namespace and search attributes answer. Throws one clear line with the end of the log. */
export async function startTemporal(options: TemporalOptions): Promise<RunningTemporal> {
  const isMemory = options.store === 'memory';
  const home =
    options.store === 'memory'
      ? mkdtempSync(join(tmpdir(), 'bellhop-temporal-'))
      : dirname(options.store.dbFile);
  mkdirSync(home, { recursive: true });
  const pidFile = join(home, 'process.json');
  const logFile = join(home, 'temporal.log');
  if (await stopLeftover('Temporal', pidFile, 'SIGINT'))
    options.log('stopped the Temporal server of an earlier run');
  const port = await findFreePort(options.port);
  const uiPort = options.ui ? await findFreePort(options.uiPort) : null;
  const logStart = existsSync(logFile) ? statSync(logFile).size : 0;
  const daemon = await startDaemon({
    name: 'Temporal',
    command: options.binary,
    args: buildServerArguments({ ...options, port, uiPort }),
    cwd: home,
    env: environmentForServer(),
    logFile,
    pidFile,
    stopSignal: 'SIGINT',
  });
  const stop = async () => {
    await daemon.stop(STOP_GRACE_MS);
    if (isMemory) rmSync(home, { recursive: true, force: true });
  };
  const address = `127.0.0.1:${port}`;
  try {
    await waitUntilReady(address, options.namespace, daemon, { logFile, logStart });
  } catch (error) {
    await stop();
    throw error;
  }
  const uiUrl = uiPort === null ? null : `http://127.0.0.1:${uiPort}`;
  return {
    address,
    port,
    namespace: options.namespace,
    uiUrl,
    uiPort,
    logFile,
    pid: daemon.pid,
    exited: daemon.exited,
    stop,
  };
}

/** The arguments of `temporal` for these options. */
export function buildServerArguments(
  options: Pick<TemporalOptions, 'store' | 'namespace'> & { port: number; uiPort: number | null },
): string[] {
  const file = options.store === 'memory' ? null : options.store.dbFile;
  return [
    'server',
    'start-dev',
    '--ip=127.0.0.1',
    `--port=${options.port}`,
    '--log-level=warn',
    ...(options.uiPort === null ? ['--headless'] : [`--ui-port=${options.uiPort}`]),
    ...(options.namespace === 'default' ? [] : ['--namespace', options.namespace]),
    // The pragmas are for a file: the server refuses them in memory mode.
    ...(file === null
      ? []
      : ['--db-filename', file, ...SQLITE_PRAGMAS.flatMap((pragma) => ['--sqlite-pragma', pragma])]),
    ...DYNAMIC_CONFIG.flatMap((entry) => ['--dynamic-config-value', entry]),
    ...Object.entries(SEARCH_ATTRIBUTES).flatMap(([name, type]) => ['--search-attribute', `${name}=${type}`]),
  ];
}

/** A user's own client profile (address, key, TLS of a real server) means nothing to a server and must not reach it. */
function environmentForServer(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TEMPORAL_')));
}

async function waitUntilReady(
  address: string,
  namespace: string,
  daemon: Daemon,
  log: { logFile: string; logStart: number },
): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (!(await isNamespaceReady(address, namespace))) {
    const tail = () => readTail(log.logFile, 5, log.logStart).join('\n');
    if (daemon.hasExited()) throw new Error(`the Temporal server ended while starting:\n${tail()}`);
    if (Date.now() > deadline)
      throw new Error(`the Temporal server is not ready after ${READY_TIMEOUT_MS / 1_000} s:\n${tail()}`);
    await delay(50);
  }
}
