/**
 * Asks the services that the environment names whether they can be reached, before anything is started on top of them.
 * Reads only; a password never appears in what it says.
 */
import { Connection } from '@temporalio/client';
import { Client } from 'pg';
import { createComposio } from '../../composio/create-composio.ts';
import { ComposioFailure } from '../../composio/failure.ts';
import { loadTemporalConfig } from '../../config/temporal.ts';
import type { Env } from './plan.ts';
import { StartError } from '../start-error.ts';

/** A database or server across the world answers well within it; a person waits for it. */
const REACH_TIMEOUT_MS = 5_000;

/** Throws StartError when the database of DATABASE_URL does not answer. Gives `host:port/database`. */
export async function reachDatabase(url: string): Promise<string> {
  const parsed = URL.parse(url);
  const where = parsed === null ? 'what it names' : `${parsed.host}${parsed.pathname}`;
  const client = new Client({ connectionString: url, connectionTimeoutMillis: REACH_TIMEOUT_MS });
  client.on('error', () => undefined); // the failed query or connect tells
  try {
    await client.connect();
    return where;
  } catch (cause) {
    throw new StartError(`DATABASE_URL: cannot reach PostgreSQL at ${where}: ${reasonOf(cause)}`, { cause });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Throws StartError when the server of TEMPORAL_ADDRESS, or its namespace, does not answer. Gives `address, namespace`. */
export async function reachTemporal(env: Env): Promise<{ address: string; namespace: string }> {
  const { connectionOptions, namespace } = loadTemporalConfig(env);
  const { address } = connectionOptions;
  let connection: Connection | undefined;
  try {
    connection = await Connection.connect({ ...connectionOptions, connectTimeout: REACH_TIMEOUT_MS });
    await connection.withDeadline(Date.now() + REACH_TIMEOUT_MS, async () => {
      await connection?.workflowService.describeNamespace({ namespace });
    });
    return { address, namespace };
  } catch (cause) {
    throw new StartError(
      `TEMPORAL_ADDRESS: cannot reach namespace ${namespace} at ${address}: ${reasonOf(cause)}`,
      { cause },
    );
  } finally {
    await connection?.close();
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  const { details, message } = error as { details?: string; message?: string };
  return (details || message || String(error)).split('\n')[0] ?? '';
}

/** Long enough for a first TLS handshake across the world, short against the start of everything else. */
const COMPOSIO_PROBE_MS = 4_000;

/** One cheap request with the person's key. @returns what is wrong, in words; null when it answers as it should. */
export async function probeComposio(baseUrl: string, apiKey: string): Promise<string | null> {
  try {
    const composio = createComposio({ baseUrl, apiKey, authConfigs: new Map(), sdk: 'composio-core' });
    await composio.ping({ signal: AbortSignal.timeout(COMPOSIO_PROBE_MS) });
    return null;
  } catch (error) {
    if (error instanceof ComposioFailure) return PROBE_TROUBLE[error.kind] ?? error.message;
    return `it does not answer within ${COMPOSIO_PROBE_MS / 1_000} s`;
  }
}

const PROBE_TROUBLE: Readonly<Record<string, string>> = {
  unavailable: 'it cannot be reached',
  config: 'it refuses COMPOSIO_API_KEY',
  api_retired: 'it does not speak the v3.1 API',
};
