/**
 * The ports of a run. What the environment names is taken or refused; the others are free ones, kept in the data
 * directory so that a link to the Temporal UI or a database client still works after a restart.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findFreePorts, isPortFree } from '../free-port.ts';
import type { Env } from './plan.ts';
import { StartError } from '../start-error.ts';

const KEPT = ['postgres', 'temporal', 'temporalUi', 'composio', 'model', 'metrics', 'workerMetrics'] as const;
type KeptPort = (typeof KEPT)[number];

/** Which variable names a port, where one does. */
const VARIABLE: Partial<Record<KeptPort, string>> = {
  composio: 'COMPOSIO_SANDBOX_PORT',
  model: 'MODEL_SANDBOX_PORT',
  metrics: 'METRICS_PORT',
  workerMetrics: 'WORKER_METRICS_PORT',
};

export type Ports = Readonly<Record<KeptPort | 'api', number>>;

const DEFAULT_API_PORT = 8080;

/** Throws StartError that names the port and the variable when a named one is taken. */
export async function choosePorts(env: Env, dataDir: string): Promise<Ports> {
  const api = Number(env['PORT'] || DEFAULT_API_PORT);
  await refuseTaken('PORT', api);
  for (const variable of Object.values(VARIABLE)) await refuseTaken(variable, Number(env[variable] || 0));
  const file = join(dataDir, 'ports.json');
  const kept = readKept(file);
  const wanted = KEPT.map((name) => Number(env[VARIABLE[name] ?? ''] || kept[name] || 0));
  const [apiPort = api, ...found] = await findFreePorts([api, ...wanted]);
  const chosen = Object.fromEntries(KEPT.map((name, i) => [name, found[i] ?? 0])) as Record<KeptPort, number>;
  writeFileSync(file, JSON.stringify(chosen), { mode: 0o600 });
  return { ...chosen, api: apiPort };
}

async function refuseTaken(variable: string, port: number): Promise<void> {
  if (port === 0 || (await isPortFree(port))) return;
  throw new StartError(
    `port ${port} is taken: stop what uses it, or choose another, e.g. ${variable}=${port + 1} npm start`,
  );
}

function readKept(file: string): Partial<Record<KeptPort, number>> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Partial<Record<KeptPort, number>>;
  } catch {
    return {};
  }
}
