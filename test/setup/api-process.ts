/** APIs for tests that stop them or run several: real processes of api/main.ts on free ports, beside the test's own parts. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { findFreePort } from '../../sandbox/free-port.ts';
import { type Answer, type AnyBody, type CallOptions, KEY, send } from '../api/setup/api.ts';
import type { TestBellhop } from './bellhop.ts';
import { testTemporalAddress } from './temporal.ts';
import { until } from './until.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'api', 'main.ts');

export type ApiProcess = {
  readonly pid: number;
  readonly url: string;
  readonly call: <T = AnyBody>(method: string, path: string, options?: CallOptions) => Promise<Answer<T>>;
  readonly signal: (signal: NodeJS.Signals) => void;
  readonly exited: Promise<number | null>;
  /** Everything that it wrote, stdout and stderr. */
  readonly output: () => string;
  /** SIGKILL, unless it is gone. */
  readonly kill: () => Promise<void>;
};

type Options = { readonly namespace?: string; readonly env?: Readonly<Record<string, string>> };
type Parts = Pick<TestBellhop, 'databaseUrl' | 'taskQueue' | 'sandboxUrl'>;
/** A free port may be taken by somebody else before it is listened on. */
const PORTS_TO_TRY = 3;

/** Resolves when it is ready. `env` overrides. */
export async function startApiProcess(bellhop: Parts, options: Options = {}): Promise<ApiProcess> {
  for (let left = PORTS_TO_TRY; ; left -= 1) {
    try {
      return await startOnFreePort(bellhop, options);
    } catch (error) {
      if (left === 1 || !String(error).includes('is taken')) throw error;
    }
  }
}

async function startOnFreePort(
  bellhop: Parts,
  { namespace = 'default', env = {} }: Options,
): Promise<ApiProcess> {
  const port = await findFreePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(process.execPath, [MAIN], {
    env: {
      PATH: process.env['PATH'],
      HOME: '/nonexistent',
      PORT: String(port),
      PUBLIC_URL: url,
      DATABASE_URL: bellhop.databaseUrl,
      TEMPORAL_ADDRESS: await testTemporalAddress(),
      TEMPORAL_NAMESPACE: namespace,
      TEMPORAL_TASK_QUEUE: bellhop.taskQueue,
      COMPOSIO_API_KEY: 'sandbox-composio-key',
      COMPOSIO_BASE_URL: bellhop.sandboxUrl,
      BELLHOP_API_KEY: KEY,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const hear = (line: string): void => {
    if (process.env['TEST_LOG'] === '1') console.error(line);
    lines.push(line);
  };
  createInterface({ input: child.stdout as Readable }).on('line', hear);
  createInterface({ input: child.stderr as Readable }).on('line', hear);
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  const call: ApiProcess['call'] = async (method, path, { body, headers = {} } = {}) => {
    const key = { authorization: `Bearer ${KEY}`, ...headers };
    const answer = await send(url, method, path, { body, headers: key });
    const isJson = /json/.test(String(answer.headers['content-type'] ?? '')) && answer.text !== '';
    return { ...answer, body: (isJson ? JSON.parse(answer.text) : undefined) as never };
  };
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await exited;
  };
  try {
    await until(
      'the API ready',
      async () => {
        if (child.exitCode !== null) throw new Error('the API ended');
        return (await call('GET', '/readyz').catch(() => null))?.status === 200;
      },
      60_000,
    );
  } catch (error) {
    await kill();
    throw new Error(`the API does not become ready:\n${lines.join('\n')}`, { cause: error });
  }
  return {
    pid: child.pid ?? 0,
    url,
    call,
    signal: (name) => void child.kill(name),
    exited,
    output: () => lines.join('\n'),
    kill,
  };
}
