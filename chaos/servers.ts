/** The stage's servers: PostgreSQL and Temporal, which come back when they are killed, and the sandboxes, which no fault touches. */
import { join } from 'node:path';
import { findFreePorts } from '../sandbox/free-port.ts';
import { startPostgres } from '../sandbox/postgres.ts';
import { type NodeChild, startNodeChild, waitForReadyLine } from '../sandbox/process.ts';
import { standardErrorOutput } from '../sandbox/progress.ts';
import { resolveTemporalBinary } from '../sandbox/temporal/binary.ts';
import { startTemporal } from '../sandbox/temporal/server.ts';
import { ROOT, systemEnvironment } from './processes.ts';
import { keepServer } from './server-keeper.ts';
import { COMPOSIO_KEY, type Releases, type StageOptions } from './stage-options.ts';

const READY_TIMEOUT_MS = 60_000;
/** A SIGTERM of its own may need this much of a sandbox to write what it keeps. */
const SANDBOX_GRACE_MS = 3_000;

export async function startServers(
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

export async function startSandboxes(
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
