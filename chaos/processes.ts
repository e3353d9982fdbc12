/** The stage's workers and APIs, and the environment that they are started with. */
import { join } from 'node:path';
import { compileCacheOf } from '../sandbox/cache-folder.ts';
import { findFreePorts } from '../sandbox/free-port.ts';
import type { Receiver } from './receiver.ts';
import { API_KEY, COMPOSIO_KEY, type Releases, type StageOptions } from './stage-options.ts';
import { type Supervised, supervise } from './supervised.ts';

export const ROOT = join(import.meta.dirname, '..');

export async function startProcesses(
  { workers, apis, log }: StageOptions,
  { logs, processEnv }: { logs: string; processEnv: (kind: 'worker' | 'api') => NodeJS.ProcessEnv },
  releases: Releases,
) {
  const ports = await findFreePorts(Array.from({ length: workers + apis }, () => 0));
  const start = (kind: 'worker' | 'api', index: number, port: number): Supervised => {
    const name = `${kind}-${index + 1}`;
    const own: Record<string, string> =
      kind === 'worker' ? { WORKER_METRICS_PORT: String(port) } : { PORT: String(port) };
    const one = supervise(
      {
        name,
        script: join(ROOT, kind, 'main.ts'),
        env: { ...processEnv(kind), ...own },
        cwd: ROOT,
        logFile: join(logs, `${name}.log`),
        readyUrl: `http://127.0.0.1:${port}/${kind === 'worker' ? 'readyz' : 'healthz'}`,
      },
      log,
    );
    releases.push(one.stop);
    return one;
  };
  const apiPorts = ports.slice(workers);
  return {
    workers: ports.slice(0, workers).map((port, index) => start('worker', index, port)),
    apis: apiPorts.map((port, index) => start('api', index, port)),
    apiPorts,
  };
}

export function systemEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { PATH: env['PATH'], HOME: env['HOME'], NODE_COMPILE_CACHE: compileCacheOf(env) };
}

export function sharedEnvironment(of: {
  options: StageOptions;
  bundle: string;
  apiUrl: string;
  receiver: Receiver;
}): NodeJS.ProcessEnv {
  const { env } = of.options;
  return {
    ...systemEnvironment(env),
    ...(env['SABOTAGE'] ? { SABOTAGE: env['SABOTAGE'] } : {}),
    LOG_LEVEL: 'warn',
    TEMPORAL_CONFIG_FILE: join(of.options.folder, 'client.toml'),
    TEMPORAL_NAMESPACE: 'default',
    BELLHOP_API_KEY: API_KEY,
    PUBLIC_URL: of.apiUrl,
    BELLHOP_WORKFLOW_BUNDLE: of.bundle,
    COMPOSIO_API_KEY: COMPOSIO_KEY,
    // The budget is not what is tested here.
    COMPOSIO_REQUESTS_PER_MINUTE: '1000000',
    OPENAI_API_KEY: 'sandbox-model-key',
    BELLHOP_WEBHOOK_URL: of.receiver.url,
    BELLHOP_WEBHOOK_SECRET: of.receiver.secret,
    // Short, so that hanging requests end within the run; the ledger's own margin of 2 s comes on top.
    TOOL_TIMEOUT: '4s',
    CONNECT_POLL_INTERVAL: '1s',
    CONNECT_CALLBACK_GRACE: '3s',
    // An account that is broken right after it was connected should be asked for again within the run.
    CONNECT_FRESH_GRACE: '5s',
    CONNECT_TIMEOUT: '7d',
  };
}

export function throughPort(url: string, port: number, database?: string): string {
  const changed = new URL(url);
  changed.port = String(port);
  if (database !== undefined) changed.pathname = `/${database}`;
  return changed.href;
}
