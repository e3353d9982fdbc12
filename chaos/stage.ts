/**
 * What a chaos run stands on: real PostgreSQL, Temporal, workers and APIs and both sandboxes, each a process of its own, with
 * a fault proxy in every connection between them. It makes no faults and no load.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { migrateToLatest } from '../db/migrator.ts';
import { compileCacheOf } from '../sandbox/cache-folder.ts';
import { type SandboxControl, createSandboxControl } from '../sandbox/composio/control.ts';
import { findFreePorts } from '../sandbox/free-port.ts';
import { type ModelSandboxControl, createModelSandboxControl } from '../sandbox/model/control.ts';
import { startPostgres } from '../sandbox/postgres.ts';
import { type NodeChild, startNodeChild, waitForReadyLine } from '../sandbox/process.ts';
import { standardErrorOutput } from '../sandbox/progress.ts';
import { resolveTemporalBinary } from '../sandbox/temporal/binary.ts';
import { startTemporal } from '../sandbox/temporal/server.ts';
import { buildWorkflowBundle } from '../worker/workflow-bundle.ts';
import { LINKS, type LinkName } from './fault.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import type { OperationLog } from './log.ts';
import { type Receiver, startReceiver } from './receiver.ts';
import { type KeptServer, type Server, keepServer } from './server-keeper.ts';
import { type Supervised, supervise } from './supervised.ts';

export const API_KEY = 'chaos-bootstrap-key';
const COMPOSIO_KEY = 'sandbox-composio-key';
const ROOT = join(import.meta.dirname, '..');
const READY_TIMEOUT_MS = 60_000;
/** A SIGTERM of its own may need this much of a sandbox to write what it keeps. */
const SANDBOX_GRACE_MS = 3_000;

export type Stage = {
  readonly folder: string;
  /** Where clients reach the API, through a proxy that goes round its processes. */
  readonly apiUrl: string;
  readonly composio: SandboxControl;
  readonly model: ModelSandboxControl;
  readonly links: ReadonlyMap<LinkName, FaultProxy>;
  readonly workers: readonly Supervised[];
  readonly apis: readonly Supervised[];
  readonly postgres: KeptServer<Server & { superuserUrl: string }>;
  readonly temporal: KeptServer<Server>;
  readonly receiver: Receiver;
  /** Straight to the servers, past the proxies: for the evidence. */
  readonly databaseUrl: () => string;
  readonly temporalAddress: () => string;
  readonly close: () => Promise<void>;
};

export type StageOptions = {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly workers: number;
  readonly apis: number;
  readonly seed: number;
  readonly log: OperationLog;
};

export async function openStage(options: StageOptions): Promise<Stage> {
  const releases: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const release of releases.splice(0).reverse()) await release();
  };
  try {
    return { ...(await assemble(options, releases)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Releases = (() => Promise<void> | void)[];

async function assemble(options: StageOptions, releases: Releases): Promise<Omit<Stage, 'close'>> {
  const { folder, env } = options;
  const logs = join(folder, 'logs');
  mkdirSync(logs, { recursive: true });
  const links = await openLinks(releases);
  const portOf = (name: LinkName): number => linkOf(links, name).port;
  const target =
    (...names: LinkName[]) =>
    (port: number): void =>
      names.forEach((name) => linkOf(links, name).setTargets([port]));

  const ports = { postgres: 0, temporal: 0 };
  const { postgres, temporal } = await startServers(options, releases, (name, port) => {
    ports[name] = port;
    target(`worker-${name}`, `api-${name}`)(port);
  });
  await migrateToLatest(postgres.first.url);
  const sandboxes = await startSandboxes({ folder, logs, env }, releases);
  target('worker-composio', 'api-composio')(Number(new URL(sandboxes.composioUrl).port));
  target('worker-model')(Number(new URL(sandboxes.modelUrl).port));
  const receiver = await startReceiver(folder, options.seed);
  releases.push(receiver.close);

  // Whoever runs this may have a client profile of their own; its keys and addresses mean another server.
  writeFileSync(join(folder, 'client.toml'), '[profile.default]\n');
  const bundle = join(folder, 'workflows.js');
  writeFileSync(bundle, await buildWorkflowBundle());
  const apiUrl = `http://127.0.0.1:${portOf('client-api')}`;
  const shared = sharedEnvironment({ options, bundle, apiUrl, receiver });
  const processEnv = (kind: 'worker' | 'api'): NodeJS.ProcessEnv => ({
    ...shared,
    DATABASE_URL: throughPort(postgres.first.url, portOf(`${kind}-postgres`)),
    TEMPORAL_ADDRESS: `127.0.0.1:${portOf(`${kind}-temporal`)}`,
    COMPOSIO_BASE_URL: `http://127.0.0.1:${portOf(`${kind}-composio`)}`,
    OPENAI_BASE_URL: `http://127.0.0.1:${portOf('worker-model')}/v1`,
  });
  const processes = await startProcesses(options, { logs, processEnv }, releases);
  linkOf(links, 'client-api').setTargets(processes.apiPorts);
  return {
    folder,
    apiUrl,
    composio: createSandboxControl(sandboxes.composioUrl),
    model: createModelSandboxControl(sandboxes.modelUrl),
    links,
    workers: processes.workers,
    apis: processes.apis,
    postgres,
    temporal,
    receiver,
    databaseUrl: () => throughPort(postgres.first.superuserUrl, ports.postgres, 'bellhop'),
    temporalAddress: () => `127.0.0.1:${ports.temporal}`,
  };
}

function linkOf(links: ReadonlyMap<LinkName, FaultProxy>, name: LinkName): FaultProxy {
  const link = links.get(name);
  if (!link) throw new RangeError(name);
  return link;
}

async function openLinks(releases: Releases): Promise<ReadonlyMap<LinkName, FaultProxy>> {
  const links = new Map<LinkName, FaultProxy>();
  for (const name of LINKS) {
    const proxy = await startFaultProxy();
    releases.push(proxy.close);
    links.set(name, proxy);
  }
  return links;
}

async function startServers(
  { folder, log, env }: StageOptions,
  releases: Releases,
  onPort: (name: 'postgres' | 'temporal', port: number) => void,
) {
  const quiet = (): void => undefined;
  const [postgresPort = 0, temporalPort = 0] = await findFreePorts([0, 0]);
  const binary = await resolveTemporalBinary({ env, output: standardErrorOutput() });
  const postgres = await keepServer(
    {
      name: 'postgres',
      start: () =>
        startPostgres({ place: { dataDir: join(folder, 'postgres') }, port: postgresPort, log: quiet }),
      onPort: (port) => onPort('postgres', port),
    },
    log,
  );
  releases.push(postgres.stop);
  const temporal = await keepServer(
    {
      name: 'temporal',
      start: () =>
        startTemporal({
          binary: binary.path,
          store: { dbFile: join(folder, 'temporal', 'temporal.db') },
          ui: false,
          port: temporalPort,
          namespace: 'default',
          log: quiet,
        }),
      onPort: (port) => onPort('temporal', port),
    },
    log,
  );
  releases.push(temporal.stop);
  return { postgres, temporal };
}

async function startSandboxes(
  { folder, logs, env }: { folder: string; logs: string; env: NodeJS.ProcessEnv },
  releases: Releases,
): Promise<{ composioUrl: string; modelUrl: string }> {
  const start = (kind: 'composio' | 'model', settings: Record<string, string>): NodeChild => {
    const child = startNodeChild({
      name: `the ${kind} sandbox`,
      script: join(ROOT, 'sandbox', kind, 'main.ts'),
      env: { ...systemEnvironment(env), ...settings },
      cwd: folder,
      logFile: join(logs, `${kind}-sandbox.log`),
    });
    releases.push(() => child.stop(SANDBOX_GRACE_MS));
    return child;
  };
  const composio = start('composio', {
    COMPOSIO_SANDBOX_DATA: join(folder, 'composio'),
    COMPOSIO_SANDBOX_API_KEY: COMPOSIO_KEY,
  });
  const model = start('model', {});
  const wait = { timeoutMs: READY_TIMEOUT_MS };
  return {
    composioUrl: await waitForReadyLine(composio, wait),
    modelUrl: await waitForReadyLine(model, wait),
  };
}

async function startProcesses(
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

function systemEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { PATH: env['PATH'], HOME: env['HOME'], NODE_COMPILE_CACHE: compileCacheOf(env) };
}

function sharedEnvironment(of: {
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

function throughPort(url: string, port: number, database?: string): string {
  const changed = new URL(url);
  changed.port = String(port);
  if (database !== undefined) changed.pathname = `/${database}`;
  return changed.href;
}
