/**
 * The Temporal dev server as a child, with the flags that Bellhop is measured with. It resolves no binary and
 * is no production server.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { startDaemon, stopLeftover, waitForDaemon } from '../daemon.ts';
import { findFreePort } from '../free-port.ts';
import { readTail, rotateLog } from '../log-file.ts';
import { PID_FILE, makeTemporaryFolder } from '../temporary-folder.ts';
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
  /** Aborts the wait for readiness; what was started is stopped again. */
  readonly signal?: AbortSignal;
  /** How long it may take to stop before it is killed. */
  readonly stopGraceMs?: number;
};

export type RunningTemporal = {
  readonly address: string;
  readonly port: number;
  readonly namespace: string;
  readonly uiUrl: string | null;
  readonly uiPort: number | null;
  readonly logFile: string;
  readonly pid: number;
  /** The last lines of its log. */
  readonly tail: () => string[];
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

/** Enough for the reason of a failed start. */
const TAIL_LINES = 5;

type Release = () => Promise<void> | void;

/** Starts the server and waits until namespace and search attributes answer. Throws one clear line with the end of the log. */
export async function startTemporal(options: TemporalOptions): Promise<RunningTemporal> {
  const releases: Release[] = [];
  const stop = async () => {
    for (const release of releases.splice(0).reverse()) await release();
  };
  try {
    return { ...(await launch(options, releases)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function launch(options: TemporalOptions, releases: Release[]): Promise<Omit<RunningTemporal, 'stop'>> {
  const isMemory = options.store === 'memory';
  const home =
    options.store === 'memory' ? await makeTemporaryFolder('temporal') : dirname(options.store.dbFile);
  if (isMemory) releases.push(() => rmSync(home, { recursive: true, force: true }));
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const pidFile = join(home, PID_FILE);
  const logFile = join(home, 'temporal.log');
  if (await stopLeftover('Temporal', pidFile, 'SIGINT'))
    options.log('stopped the Temporal server of an earlier run');
  const port = await findFreePort(options.port);
  const uiPort = options.ui ? await findFreePort(options.uiPort) : null;
  const logStart = rotateLog(logFile);
  const daemon = await startDaemon({
    command: options.binary,
    args: buildServerArguments({ ...options, port, uiPort }),
    cwd: home,
    env: environmentForServer(),
    logFile,
    pidFile,
    stopSignal: 'SIGINT',
  });
  releases.push(() => daemon.stop(options.stopGraceMs ?? STOP_GRACE_MS));
  const address = `127.0.0.1:${port}`;
  const tail = () => readTail(logFile, TAIL_LINES, logStart);
  await waitForDaemon(daemon, {
    name: 'the Temporal server',
    probe: async () => ((await isNamespaceReady(address, options.namespace)) ? true : null),
    tail,
    timeoutMs: READY_TIMEOUT_MS,
    signal: options.signal,
  });
  const uiUrl = uiPort === null ? null : `http://127.0.0.1:${uiPort}`;
  return {
    address,
    port,
    namespace: options.namespace,
    uiUrl,
    uiPort,
    pid: daemon.pid,
    logFile,
    tail,
    exited: daemon.exited,
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
