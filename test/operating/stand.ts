/**
 * What the runbooks of docs/operating.md are tried on: API and worker as processes of their own, in a namespace where nobody
 * else's workflows are, and `temporal` as an operator types it.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { standardErrorOutput } from '../../sandbox/progress.ts';
import { resolveTemporalBinary } from '../../sandbox/temporal/binary.ts';
import { findFreePort } from '../../sandbox/free-port.ts';
import { type AnyBody, send } from '../api/setup/api.ts';
import { type ApiProcess, startApiProcess } from '../setup/api-process.ts';
import { type TestBellhop, startTestBellhop } from '../setup/bellhop.ts';
import { createTestNamespace, testTemporalAddress } from '../setup/temporal.ts';
import { until } from '../setup/until.ts';
import { type WorkerProcess, startWorkerProcess } from '../setup/worker-process.ts';
import { commandsOf } from './documented.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '..', '..');
/** As in the documents' commands; it is this namespace's own. */
export const TASK_QUEUE = 'bellhop';
type Env = Readonly<Record<string, string>>;

export type Stand = {
  readonly bellhop: TestBellhop;
  readonly namespace: string;
  readonly startApi: (env?: Env) => Promise<ApiProcess>;
  readonly startWorker: (env?: Env) => Promise<OperatedWorker>;
  /** A command of the documents, word by word; `<id>` and `…` are filled in, in this order. @returns what it printed. */
  readonly type: (command: string, ...values: readonly string[]) => Promise<string>;
  /** A script of the repository, with Temporal's variables as `type` has them. */
  readonly node: (script: string, ...args: readonly string[]) => Promise<string>;
  readonly close: () => Promise<void>;
};
export type OperatedWorker = WorkerProcess & {
  /** All that it has logged. */
  readonly logged: () => string;
  readonly metrics: () => Promise<string>;
};

export async function openStand(): Promise<Stand> {
  const namespace = await createTestNamespace();
  const bellhop = await startTestBellhop({ noWorker: true, namespace });
  const { path: binary } = await resolveTemporalBinary({ env: process.env, output: standardErrorOutput() });
  const address = await testTemporalAddress();
  const closers: (() => Promise<unknown>)[] = [];
  const execute = async (program: string, args: readonly string[]): Promise<string> => {
    const own = { PATH: process.env['PATH'], HOME: '/nonexistent' };
    const env = { ...own, TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace };
    return (await run(program, args, { env, cwd: ROOT })).stdout;
  };
  const startWorker = async (env: Env = {}): Promise<OperatedWorker> => {
    const port = await findFreePort();
    const lines: string[] = [];
    const worker = await startWorkerProcess(bellhop, {
      namespace,
      taskQueue: TASK_QUEUE,
      env: { WORKER_METRICS_PORT: String(port), ...env },
      onLine: (line) => void lines.push(line),
    });
    closers.push(worker.kill);
    await worker.polls;
    const metrics = async () => (await send(`http://127.0.0.1:${port}`, 'GET', '/metrics', {})).text;
    return { ...worker, logged: () => lines.join('\n'), metrics };
  };
  return {
    bellhop,
    namespace,
    startWorker,
    startApi: async (env = {}) => {
      const api = await startApiProcess(bellhop, {
        namespace,
        env: { TEMPORAL_TASK_QUEUE: TASK_QUEUE, ...env },
      });
      closers.push(api.kill);
      return api;
    },
    type: async (command, ...values) => {
      if (!commandsOf().includes(command)) throw new Error(`no document says \`${command}\``);
      const left = [...values];
      const filled = command.replaceAll(/<id>|…/g, () => left.shift() ?? '');
      const [, ...args] = wordsOf(filled);
      return await execute(binary, args);
    },
    node: (script, ...args) => execute(process.execPath, [script, ...args]),
    close: async () => {
      for (const close of closers.reverse()) await close();
      await bellhop.close();
    },
  };
}

/** As a shell would part them; the documents quote with single quotes. */
function wordsOf(command: string): readonly string[] {
  return [...command.matchAll(/(?:'([^']*)'|(\S))+/g)].map(([word]) => word.replaceAll("'", ''));
}

export async function stop(process: WorkerProcess): Promise<void> {
  process.signal('SIGTERM');
  await process.exited;
}

/** The value of a counter or gauge, all labels that fit added up. */
export function sumOf(metrics: string, name: string, label = ''): number {
  return metrics
    .split('\n')
    .filter((line) => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

export async function startRun(api: ApiProcess, run: object): Promise<string> {
  const answer = await api.call('POST', '/v1/runs', {
    body: { task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'], ...run },
    headers: { prefer: 'respond-async' },
  });
  if (answer.status !== 202) throw new Error(`${answer.status} ${answer.text}`);
  return answer.body.id;
}

export async function runIn(api: ApiProcess, id: string, status: string): Promise<AnyBody> {
  return await until(
    `run ${id} is ${status}`,
    async () => {
      const { body } = await api.call('GET', `/v1/runs/${id}`);
      return body.status === status ? body : null;
    },
    // A whole run, among others on a worker that has just started.
    90_000,
  );
}
