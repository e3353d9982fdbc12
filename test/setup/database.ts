/** Databases for tests: real, migrated, one per file, gone afterwards. */
import { askGround } from './ground-client.ts';

export type TestDatabase = {
  /** Connects as `bellhop`: owner, no superuser. Row-level security means nothing to a superuser. */
  readonly url: string;
  readonly superuserUrl: string;
  readonly drop: () => Promise<void>;
};

/** A fresh copy of the migrated template. Call it in `beforeAll`, and `drop` in `afterAll` after closing your pools. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { name, url, superuserUrl } = await askGround<{ name: string; url: string; superuserUrl: string }>(
    '/create-database',
  );
  return { url, superuserUrl, drop: () => askGround<void>('/drop-database', name) };
}
