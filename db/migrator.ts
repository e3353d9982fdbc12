/** Brings a database to the newest schema. Safe when several start at once: kysely holds an advisory lock per database. */
import { Kysely, PostgresDialect } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import pg from 'pg';
import * as first from './migrations/0001-first.ts';
import * as approvals from './migrations/0002-approvals.ts';
import * as requestBudget from './migrations/0003-request-budget.ts';
import * as runWatch from './migrations/0004-run-watch.ts';
import * as connect from './migrations/0005-connect.ts';
import * as runQueue from './migrations/0006-run-queue.ts';
import * as refusedAccounts from './migrations/0007-refused-accounts.ts';
import * as audit from './migrations/0008-audit.ts';
import * as webhookEvents from './migrations/0009-webhook-events.ts';
import * as notices from './migrations/0010-notices.ts';
import * as gauges from './migrations/0018-gauges.ts';
import * as apiKeys from './migrations/0020-api-keys.ts';
import * as auditLog from './migrations/0021-audit-log.ts';
import * as erasures from './migrations/0022-erasures.ts';
import * as retention from './migrations/0023-retention.ts';
import * as browserSessions from './migrations/0024-browser-sessions.ts';
import * as clickedFlows from './migrations/0025-clicked-flows.ts';
import * as sweepIndexes from './migrations/0026-sweep-indexes.ts';
import { ensureRoles } from './roles.ts';

/** In order; names never change after they landed. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-first': first,
  '0002-approvals': approvals,
  '0003-request-budget': requestBudget,
  '0004-run-watch': runWatch,
  '0005-connect': connect,
  '0006-run-queue': runQueue,
  '0007-refused-accounts': refusedAccounts,
  '0008-audit': audit,
  '0009-webhook-events': webhookEvents,
  '0010-notices': notices,
  '0018-gauges': gauges,
  '0020-api-keys': apiKeys,
  '0021-audit-log': auditLog,
  '0022-erasures': erasures,
  '0023-retention': retention,
  '0024-browser-sessions': browserSessions,
  '0025-clicked-flows': clickedFlows,
  '0026-sweep-indexes': sweepIndexes,
};

/** @returns the names of the migrations that were run now. @throws when one fails; the database is then as before. */
export async function migrateToLatest(url: string): Promise<readonly string[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    await ensureRoles(client);
  } finally {
    await client.end();
  }
  const db = new Kysely<unknown>({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url, max: 2 }) }),
  });
  try {
    const migrator = new Migrator({
      db,
      provider: { getMigrations: async () => ({ ...MIGRATIONS }) },
    });
    const { error, results } = await migrator.migrateToLatest();
    if (error) throw error;
    return (results ?? []).map((result) => result.migrationName);
  } finally {
    await db.destroy();
  }
}
