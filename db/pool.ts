/**
 * The pool of PostgreSQL connections. Nothing here speaks SQL of the product; see scope.ts for how work gets its role.
 */
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Schema } from './schema.ts';

export type Database = Kysely<Schema>;
export type DatabaseOptions = {
  readonly url: string;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  /** Connections at most. A transaction here is a few milliseconds, so a few connections carry many activities. */
  readonly maxConnections?: number;
  /** Idle connections fail now and then (server restart); the pool replaces them, this only tells. */
  readonly onIdleError?: (error: Error) => void;
};

const INT8 = pg.types.builtins.INT8;

export function createDatabase({ url, name, maxConnections = 16, onIdleError }: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: name,
    max: maxConnections,
    // A database that does not answer must fail the attempt, not hang it: Temporal or the caller tries again.
    connectionTimeoutMillis: 5_000,
    // Longer than any statement of ours (the longest, a page of the audit, takes milliseconds).
    statement_timeout: 15_000,
    // Also when the server is gone without a word.
    query_timeout: 20_000,
    idle_in_transaction_session_timeout: 30_000,
    keepAlive: true,
    types: {
      // bigint counters of ours stay far below 2^53.
      getTypeParser: (oid, format) =>
        oid === INT8 ? (text: string) => Number(text) : (pg.types.getTypeParser(oid, format) as never),
    },
  });
  pool.on('error', (error) => onIdleError?.(error));
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
}
