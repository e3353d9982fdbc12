/**
 * The pool of PostgreSQL connections. Nothing here speaks SQL of the product; see scope.ts for how work gets its role.
 */
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Schema } from './schema.ts';

/** `pool` is for scope.ts, which sends a one-statement transaction without waiting between its parts. */
export type Database = Kysely<Schema> & {
  readonly pool: pg.Pool;
  /**
   * Whether a connection is the same session from one transaction to the next, so that it can keep prepared statements.
   * False from the moment on at which it is seen not to be (scope.ts).
   */
  prepares: boolean;
};
export type DatabaseOptions = {
  readonly url: string;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  /** Connections at most. A transaction here is a few milliseconds, so a few connections carry many activities. */
  readonly maxConnections?: number;
  /** False behind a pooler that gives each transaction another session. */
  readonly prepares?: boolean;
  /** Idle connections fail now and then (server restart); the pool replaces them, this only tells. */
  readonly onIdleError?: (error: Error) => void;
};

/**
 * Connections that stay open: thousands of callbacks that come in one moment would else be held up by the first of them, whose
 * connection is opened, logged in and warmed up while they all come in.
 */
const KEPT_OPEN = 4;

const INT8 = pg.types.builtins.INT8;

export function createDatabase(options: DatabaseOptions): Database {
  const { url, name, maxConnections = 16, prepares = true, onIdleError } = options;
  const pool = new pg.Pool({
    connectionString: url,
    application_name: name,
    max: maxConnections,
    min: KEPT_OPEN,
    // A database that does not answer must fail the attempt, not hang it: Temporal or the caller tries again.
    connectionTimeoutMillis: 5_000,
    // Longer than any statement of ours (the longest, a page of the audit, takes milliseconds).
    statement_timeout: 15_000,
    // Also when the server is gone without a word.
    query_timeout: 20_000,
    idle_in_transaction_session_timeout: 30_000,
    keepAlive: true,
    // Before what stands between forgets a connection that says nothing.
    keepAliveInitialDelayMillis: 30_000,
    // Statements are sent as they come, answers arrive in order: see `forUserOnce`.
    pipeline: true,
    types: {
      // bigint counters of ours stay far below 2^53.
      getTypeParser: (oid, format) =>
        oid === INT8 ? (text: string) => Number(text) : (pg.types.getTypeParser(oid, format) as never),
    },
  });
  pool.on('error', (error) => onIdleError?.(error));
  // A connection that breaks while it is in use rejects its statements; unheard, this event would end the process as well.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return Object.assign(new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) }), { pool, prepares });
}
