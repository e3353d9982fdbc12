/**
 * What a chaos run stands on: real PostgreSQL, Temporal, workers and APIs and both sandboxes, each a process of its own, with
 * a fault proxy in every connection between them. It makes no faults and no load.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { migrateToLatest } from '../db/migrator.ts';
import { type SandboxControl, createSandboxControl } from '../sandbox/composio/control.ts';
import { type ModelSandboxControl, createModelSandboxControl } from '../sandbox/model/control.ts';
import { buildWorkflowBundle } from '../worker/workflow-bundle.ts';
import { LINKS, type LinkName } from './fault.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { sharedEnvironment, startProcesses, throughPort } from './processes.ts';
import { watchTemporal } from './liveness.ts';
import { type Receiver, startReceiver } from './receiver.ts';
import type { KeptServer, Server } from './server-keeper.ts';
import { startSandboxes, startServers } from './servers.ts';
import type { Releases, StageOptions } from './stage-options.ts';
import type { Supervised } from './supervised.ts';

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

export async function openStage(options: StageOptions): Promise<Stage> {
  const releases: Releases = [];
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
  const liveness = watchTemporal(
    { server: temporal, address: () => `127.0.0.1:${ports.temporal}` },
    options.log,
  );
  releases.push(liveness.stop);
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
