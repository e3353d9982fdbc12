/**
 * The four services that Bellhop stands on, each the one that the environment names or an embedded one. Each function
 * gives the variables by which worker and API find it, and registers its stop.
 */
import { join } from 'node:path';
import { migrateToLatest } from '../../db/migrator.ts';
import { startPostgres } from '../postgres.ts';
import { describeEnd, startNodeChild, waitForReadyLine } from '../process.ts';
import { resolveTemporalBinary } from '../temporal/binary.ts';
import { startTemporal } from '../temporal/server.ts';
import type { StartContext } from './context.ts';
import { RANK, READY_TIMEOUT_MS, STOP_GRACE_MS, watchServer } from './context.ts';
import {
  SANDBOX_COMPOSIO_KEY,
  SANDBOX_MODEL_KEY,
  sandboxEnvironment,
  temporalEnvironment,
} from './environment.ts';
import { StartError } from '../start-error.ts';
import { probeComposio, reachDatabase, reachTemporal } from './real-parts.ts';

/** `address` is for a person; `env` is for worker and API. */
export type Service = {
  readonly address: string;
  readonly env: Readonly<Record<string, string>>;
  readonly url: string | null;
};

const DEFAULT_COMPOSIO_URL = 'https://backend.composio.dev';
const DEFAULT_MODEL_URL = 'https://api.openai.com/v1';

/** The database, migrated. */
export async function provideDatabase(context: StartContext): Promise<Service> {
  const { plan, dir, ports, releases, log, signal, fail } = context;
  if (!plan.PostgreSQL) {
    const url = context.env['DATABASE_URL'] ?? '';
    const address = await reachDatabase(url);
    await migrate(url);
    return { address, env: {}, url };
  }
  const server = await startPostgres({
    place: { dataDir: dir.postgres },
    port: ports.postgres,
    log,
    signal,
    stopGraceMs: STOP_GRACE_MS.postgres,
  });
  await releases.add(RANK.postgres, server.stop);
  watchServer('PostgreSQL', server, fail);
  await migrate(server.url);
  return { address: `127.0.0.1:${server.port}/bellhop`, env: { DATABASE_URL: server.url }, url: server.url };
}

async function migrate(url: string): Promise<void> {
  try {
    await migrateToLatest(url);
  } catch (cause) {
    throw new StartError(
      `the database cannot be migrated: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}

/** The Temporal server; `url` is its web UI when it is embedded. */
export async function provideTemporal(context: StartContext): Promise<Service> {
  const { plan, dir, ports, releases, log, output, signal, fail } = context;
  if (!plan.Temporal) {
    const { address, namespace } = await reachTemporal(context.env);
    return { address: `${address}, namespace ${namespace}`, env: {}, url: null };
  }
  const binary = await resolveTemporalBinary({ env: context.env, output, signal });
  const server = await startTemporal({
    binary: binary.path,
    store: { dbFile: join(dir.temporal, 'temporal.db') },
    ui: true,
    port: ports.temporal,
    uiPort: ports.temporalUi,
    namespace: context.env['TEMPORAL_NAMESPACE'] || 'default',
    log,
    signal,
    stopGraceMs: STOP_GRACE_MS.temporal,
  });
  await releases.add(RANK.temporal, server.stop);
  watchServer('Temporal', server, fail);
  return {
    address: `${server.address}, namespace ${server.namespace}`,
    env: {
      ...temporalEnvironment(server.address, server.namespace, dir),
      TEMPORAL_UI_URL: server.uiUrl ?? '',
    },
    url: server.uiUrl,
  };
}

export async function provideComposio(context: StartContext): Promise<Service> {
  if (!context.plan.Composio) {
    const address = context.env['COMPOSIO_BASE_URL'] || DEFAULT_COMPOSIO_URL;
    const trouble = await probeComposio(address, context.env['COMPOSIO_API_KEY'] ?? '');
    // Not a reason to stop: runs are accepted and wait until it answers. But nobody should have to find out from a run.
    if (trouble !== null)
      context.log(`Composio at ${address} cannot be used now: ${trouble}. Runs will wait for it.`);
    return { address, env: {}, url: null };
  }
  const url = await startSandbox(context, 'composio', {
    COMPOSIO_SANDBOX_PORT: String(context.ports.composio),
    COMPOSIO_SANDBOX_DATA: context.dir.composio,
    COMPOSIO_SANDBOX_API_KEY: SANDBOX_COMPOSIO_KEY,
  });
  return { address: url, env: { COMPOSIO_API_KEY: SANDBOX_COMPOSIO_KEY, COMPOSIO_BASE_URL: url }, url };
}

export async function provideModel(context: StartContext): Promise<Service> {
  if (!context.plan.model) {
    return { address: context.env['OPENAI_BASE_URL'] || DEFAULT_MODEL_URL, env: {}, url: null };
  }
  const url = await startSandbox(context, 'model', { MODEL_SANDBOX_PORT: String(context.ports.model) });
  return { address: url, env: { OPENAI_API_KEY: SANDBOX_MODEL_KEY, OPENAI_BASE_URL: `${url}/v1` }, url };
}

async function startSandbox(
  { env, dir, releases, fail, signal }: StartContext,
  kind: 'composio' | 'model',
  settings: Record<string, string>,
): Promise<string> {
  const child = startNodeChild({
    name: `the ${kind} sandbox`,
    script: join(import.meta.dirname, '..', kind, 'main.ts'),
    env: { ...sandboxEnvironment(env), ...settings },
    cwd: dir.path,
    logFile: join(dir.logs, `${kind}-sandbox.log`),
  });
  await releases.add(RANK.sandbox, () => child.stop(STOP_GRACE_MS.sandbox));
  const url = await waitForReadyLine(child, { timeoutMs: READY_TIMEOUT_MS, signal });
  void describeEnd(child).then(fail);
  return url;
}
