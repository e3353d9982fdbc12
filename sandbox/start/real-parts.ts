/**
 * Asks the services that the environment names whether they can be reached, before anything is started on top of them.
 * Reads only; a password never appears in what it says.
 */
import { Connection } from '@temporalio/client';
import { Client } from 'pg';
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
