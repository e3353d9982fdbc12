/** `npm run migrate`: brings DATABASE_URL to the newest schema and says what it did. */
import { migrateToLatest } from './migrator.ts';

const url = process.env['DATABASE_URL'];
if (!url) {
  console.error(
    'DATABASE_URL is not set: name the database to migrate, e.g. postgresql://user:password@host:5432/bellhop',
  );
  process.exit(1);
}
try {
  const done = await migrateToLatest(url);
  console.log(done.length === 0 ? 'The database is up to date.' : `Migrated: ${done.join(', ')}`);
} catch (error) {
  const reason =
    error instanceof AggregateError ? error.errors.map(String).join('; ') : (error as Error).message;
  console.error(`Migration of the database that DATABASE_URL names failed: ${reason}`);
  process.exit(1);
}
