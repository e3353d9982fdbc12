/** What a bench stands on: embedded PostgreSQL and Temporal, both sandboxes as processes of their own, zero latency. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { migrateToLatest } from '../db/migrator.ts';
import { startPostgres } from '../sandbox/postgres.ts';
import { standardErrorOutput } from '../sandbox/progress.ts';
import { resolveTemporalBinary } from '../sandbox/temporal/binary.ts';
import { startTemporal } from '../sandbox/temporal/server.ts';
import { cpuMsOf } from './cpu-times.ts';
import { type MeasuredChild, startMeasured } from './measured-child.ts';

export type Stand = {
  readonly folder: string;
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  readonly temporalPid: number;
  readonly client: Client;
  readonly composioUrl: string;
  readonly modelUrl: string;
  /** CPU milliseconds so far of each part, by name; of everything if given a worker and an API too. */
  readonly cpuMs: (own?: Readonly<Record<string, number>>) => Readonly<Record<string, number>>;
  /** For worker/main.ts. */
  readonly env: NodeJS.ProcessEnv;
  readonly close: () => Promise<void>;
};

const quiet = (): void => undefined;

/** @param kept A folder that is left as it is at the end, and gone on with when it is there already. */
export async function openStand(kept?: string): Promise<Stand> {
  const folder = kept ?? mkdtempSync(join(tmpdir(), 'bellhop-bench-'));
  mkdirSync(folder, { recursive: true });
  const binary = await resolveTemporalBinary({ env: process.env, output: standardErrorOutput() });
  const [postgres, temporal, composio, model] = await Promise.all([
    startPostgres({ place: { dataDir: join(folder, 'postgres') }, log: quiet }),
    startTemporal({
      binary: binary.path,
      store: { dbFile: join(folder, 'temporal.db') },
      ui: false,
      namespace: 'default',
      log: quiet,
    }),
    startSandbox('composio'),
    startSandbox('model'),
  ]);
  await migrateToLatest(postgres.url);
  const connection = await Connection.connect({ address: temporal.address });
  return {
    folder,
    databaseUrl: postgres.url,
    temporalAddress: temporal.address,
    temporalPid: temporal.pid,
    client: new Client({ connection }),
    composioUrl: composio.url,
    modelUrl: model.url,
    cpuMs: (own = {}) => ({
      Temporal: cpuMsOf(temporal.pid),
      PostgreSQL: cpuMsOf(postgres.pid, true),
      'sandbox of Composio': cpuMsOf(composio.child.pid),
      'sandbox of the model': cpuMsOf(model.child.pid),
      ...Object.fromEntries(Object.entries(own).map(([name, pid]) => [name, cpuMsOf(pid)])),
      'this bench': cpuMsOf(process.pid),
    }),
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      LOG_LEVEL: 'warn',
      DATABASE_URL: postgres.url,
      TEMPORAL_ADDRESS: temporal.address,
      COMPOSIO_API_KEY: 'sandbox-composio-key',
      COMPOSIO_BASE_URL: composio.url,
      // The budget's work is in the figures, its waiting is not.
      COMPOSIO_REQUESTS_PER_MINUTE: '1000000',
      OPENAI_API_KEY: 'sandbox-model-key',
      OPENAI_BASE_URL: `${model.url}/v1`,
      OPENAI_MODEL: 'bench',
    },
    close: async () => {
      await connection.close();
      await Promise.all([composio.child.stop(), model.child.stop()]);
      await temporal.stop();
      await postgres.stop();
      if (kept === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startSandbox(kind: 'composio' | 'model'): Promise<{ url: string; child: MeasuredChild }> {
  const script = join(import.meta.dirname, '..', 'sandbox', kind, 'main.ts');
  const child = startMeasured(script, { PATH: process.env['PATH'], HOME: process.env['HOME'] });
  const line = await child.firstLine(/"ready":true/);
  return { url: (JSON.parse(line) as { url: string }).url, child };
}
