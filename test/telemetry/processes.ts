/** API and worker as an operator runs them: two processes beside real parts, with their metrics ports and all that they log. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { findFreePort } from '../../sandbox/free-port.ts';
import { type AnyBody, send } from '../api/setup/api.ts';
import { type TestBellhop, startTestBellhop } from '../setup/bellhop.ts';
import { createTestNamespace, testTemporalAddress } from '../setup/temporal.ts';
import { until } from '../setup/until.ts';
import { startWorkerProcess } from '../setup/worker-process.ts';

const ROOT = join(import.meta.dirname, '..', '..');
export const BOOTSTRAP_KEY = 'canary-bootstrap-key';

export type Processes = {
  readonly bellhop: TestBellhop;
  readonly namespace: string;
  readonly url: string;
  /** Everything that both have logged. */
  readonly logged: () => readonly string[];
  readonly metrics: () => Promise<{ api: string; worker: string }>;
  readonly call: (
    method: string,
    path: string,
    body?: unknown,
  ) => Promise<{ status: number; text: string; body: AnyBody }>;
  /** SIGTERM to both, so that what they still hold is told. */
  readonly stop: () => Promise<void>;
  readonly close: () => Promise<void>;
};

export async function startProcesses(env: Readonly<Record<string, string>> = {}): Promise<Processes> {
  const namespace = await createTestNamespace();
  const bellhop = await startTestBellhop({ noWorker: true, namespace });
  const [port, metricsPort, workerPort] = [await findFreePort(), await findFreePort(), await findFreePort()];
  const lines: string[] = [];
  const url = `http://127.0.0.1:${port}`;
  // What was begun is ended when the rest does not get ready.
  const begun: (() => Promise<unknown>)[] = [bellhop.close];
  const giveUp = async (error: unknown): Promise<never> => {
    for (const end of begun.reverse()) await end();
    throw error;
  };
  const api = await startApi(
    {
      DATABASE_URL: bellhop.databaseUrl,
      TEMPORAL_ADDRESS: await testTemporalAddress(),
      TEMPORAL_NAMESPACE: namespace,
      TEMPORAL_TASK_QUEUE: bellhop.taskQueue,
      COMPOSIO_API_KEY: 'sandbox-composio-key',
      COMPOSIO_BASE_URL: bellhop.sandboxUrl,
      BELLHOP_API_KEY: BOOTSTRAP_KEY,
      PORT: String(port),
      PUBLIC_URL: url,
      METRICS_PORT: String(metricsPort),
      ...env,
    },
    lines,
  ).catch(giveUp);
  const apiGone = once(api, 'exit');
  const killApi = async (): Promise<void> => {
    api.kill('SIGKILL');
    await apiGone;
  };
  begun.push(killApi);
  const worker = await startWorkerProcess(bellhop, {
    namespace,
    env: {
      WORKER_METRICS_PORT: String(workerPort),
      PUBLIC_URL: url,
      CONNECT_POLL_INTERVAL: '1s',
      CONNECT_CALLBACK_GRACE: '1s',
      ...env,
    },
    onLine: (line) => void lines.push(line),
  }).catch(giveUp);
  begun.push(worker.kill);
  await Promise.all([
    worker.polls,
    until(
      'the API is ready',
      async () => (await send(url, 'GET', '/readyz', {}).catch(() => null))?.status === 200,
    ),
  ]).catch(giveUp);
  const scrape = async (from: number): Promise<string> =>
    (await send(`http://127.0.0.1:${from}`, 'GET', '/metrics', {})).text;
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (isStopped) return;
    isStopped = true;
    worker.signal('SIGTERM');
    api.kill('SIGTERM');
    await Promise.all([apiGone, worker.exited]);
  };
  return {
    bellhop,
    namespace,
    url,
    logged: () => lines,
    metrics: async () => ({ api: await scrape(metricsPort), worker: await scrape(workerPort) }),
    call: async (method, path, body) => {
      const headers = { authorization: `Bearer ${BOOTSTRAP_KEY}` };
      const answer = await send(url, method, path, { headers, ...(body === undefined ? {} : { body }) });
      return {
        status: answer.status,
        text: answer.text,
        body: answer.text.startsWith('{') ? JSON.parse(answer.text) : null,
      };
    },
    stop,
    close: async () => {
      await stop();
      await worker.kill();
      await bellhop.close();
    },
  };
}

async function startApi(env: Readonly<Record<string, string>>, lines: string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(ROOT, 'api', 'main.ts')], {
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', ...env },
  });
  const hear = (chunk: Buffer): void => {
    if (process.env['TEST_LOG'] === '1') console.error(chunk.toString());
    lines.push(
      ...chunk
        .toString()
        .split('\n')
        .filter((line) => line !== ''),
    );
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  await once(child, 'spawn');
  return child;
}
