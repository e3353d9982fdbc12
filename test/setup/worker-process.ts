/** Workers for tests that kill them: real processes of worker/main.ts, and one in this process that takes over. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { NativeConnection } from '@temporalio/worker';
import type { ActivitySettings } from '../../activities/deps.ts';
import { createModel } from '../../model/openai.ts';
import { createWorker } from '../../worker/create-worker.ts';
import type { TestBellhop } from './bellhop.ts';
import type { Failpoint, FailpointAction } from './failpoints.ts';
import { installTestRuntime } from './runtime.ts';
import { testTemporalAddress, testWorkflowBundle } from './temporal.ts';
import { until } from './until.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const TAIL_LINES = 20;

export type WorkerProcessOptions = {
  readonly namespace: string;
  readonly taskQueue?: string;
  /** Instead of the test's own. */
  readonly temporalAddress?: string;
  readonly databaseUrl?: string;
  readonly failpoint?: { readonly at: Failpoint; readonly nth?: number; readonly action: FailpointAction };
  readonly env?: Readonly<Record<string, string>>;
  /** Hears every line that it says. */
  readonly onLine?: (line: string) => void;
};

export type WorkerProcess = {
  readonly pid: number;
  /** Resolves when it polls. @throws when it ends before. */
  readonly polls: Promise<void>;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Resolves when the kernel says that the process is stopped. */
  readonly untilFrozen: () => Promise<unknown>;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Its last lines: what a failed assertion should show. */
  readonly tail: () => string;
  /** SIGKILL, unless it is gone. */
  readonly kill: () => Promise<void>;
};

export async function startWorkerProcess(
  bellhop: Pick<TestBellhop, 'databaseUrl' | 'taskQueue' | 'sandboxUrl' | 'modelUrl'>,
  { namespace, taskQueue, temporalAddress, databaseUrl, failpoint, env, onLine }: WorkerProcessOptions,
): Promise<WorkerProcess> {
  const preload = failpoint === undefined ? [] : ['--import', join(import.meta.dirname, 'failpoints.ts')];
  const child = spawn(process.execPath, [...preload, join(ROOT, 'worker', 'main.ts')], {
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      DATABASE_URL: databaseUrl ?? bellhop.databaseUrl,
      TEMPORAL_ADDRESS: temporalAddress ?? (await testTemporalAddress()),
      TEMPORAL_NAMESPACE: namespace,
      TEMPORAL_TASK_QUEUE: taskQueue ?? bellhop.taskQueue,
      BELLHOP_WORKFLOW_BUNDLE: await testWorkflowBundle(),
      COMPOSIO_API_KEY: 'sandbox-composio-key',
      COMPOSIO_BASE_URL: bellhop.sandboxUrl,
      OPENAI_API_KEY: 'sandbox-model-key',
      OPENAI_BASE_URL: `${bellhop.modelUrl}/v1`,
      TOOL_TIMEOUT: '3s',
      LOG_LEVEL: 'info',
      ...(failpoint === undefined
        ? {}
        : { FAILPOINT: `${failpoint.at}#${failpoint.nth ?? 1}=${failpoint.action}` }),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return watch(child, onLine);
}

function watch(child: ChildProcess, onLine?: (line: string) => void): WorkerProcess {
  const pid = child.pid ?? 0;
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal })),
  );
  const lines: string[] = [];
  const tail = (): string => lines.join('\n');
  const polls = new Promise<void>((resolve, reject) => {
    const hear = (line: string): void => {
      if (process.env['TEST_LOG'] === '1') console.error(line);
      onLine?.(line);
      lines.push(line);
      if (lines.length > TAIL_LINES) lines.shift();
      if (line.includes('the worker polls')) resolve();
    };
    createInterface({ input: child.stdout as Readable }).on('line', hear);
    createInterface({ input: child.stderr as Readable }).on('line', hear);
    void exited.then(() => reject(new Error(`the worker ended before it polled:\n${tail()}`)));
  });
  polls.catch(() => undefined); // not every test waits for it
  return {
    pid,
    polls,
    exited,
    untilFrozen: () =>
      Promise.race([
        until(`process ${pid} frozen`, async () => child.exitCode === null && stateOf(pid) === 'T', 60_000),
        exited.then(({ code }) => {
          throw new Error(`the worker ended with ${code} before it froze:\n${tail()}`);
        }),
      ]),
    signal: (signal) => void child.kill(signal),
    tail,
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

/** The letter that the kernel has for what the process does. The name before it may hold anything. */
function stateOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2)[0] ?? '';
}

/** A worker in this process on any task queue, with the test's own parts. */
export async function startTakeover(
  bellhop: TestBellhop,
  {
    namespace,
    taskQueue,
    settings,
  }: Pick<WorkerProcessOptions, 'namespace' | 'taskQueue'> & { settings?: Partial<ActivitySettings> },
): Promise<{ close: () => Promise<void> }> {
  installTestRuntime();
  const connection = await NativeConnection.connect({ address: await testTemporalAddress() });
  const model = createModel({
    apiKey: 'sandbox-model-key',
    baseUrl: `${bellhop.modelUrl}/v1`,
    defaultModel: 'test',
  });
  const worker = await createWorker({
    db: bellhop.db,
    composio: bellhop.composio,
    model,
    mail: null,
    settings: { ...bellhop.settings, toolTimeoutMs: 3_000, ...settings },
    connection,
    namespace,
    taskQueue: taskQueue ?? bellhop.taskQueue,
    workflowBundle: { codePath: await testWorkflowBundle() },
  });
  const running = worker.run();
  return {
    close: async () => {
      worker.shutdown();
      await running;
      await connection.close();
    },
  };
}
