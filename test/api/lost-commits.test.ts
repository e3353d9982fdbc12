/** An acceptance whose commit was made and not acknowledged: the run is there, and its key leads to it, not to a second one. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type Database } from '../../db/pool.ts';
import { asSystem } from '../../db/scope.ts';
import { type PostgresProxy, startPostgresProxy } from '../setup/postgres-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';
import { type TestApi, startTestApi } from './setup/api.ts';

let database: TestDatabase;
let proxy: PostgresProxy;
let throughProxy: Database;
let db: Database;
let api: TestApi;
beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await startPostgresProxy(database.url);
  throughProxy = createDatabase({ url: proxy.url, name: 'test' });
  db = createDatabase({ url: database.url, name: 'test' });
  api = await startTestApi({ noWorker: true, deps: { db: throughProxy } });
});
afterAll(async () => {
  await api.close();
  await throughProxy.destroy();
  await db.destroy();
  await proxy.close();
  await database.drop();
});

test('a repeated request never makes a second run', async () => {
  const userId = `user-${randomUUID()}`;
  expect((await api.call('PUT', `/v1/users/${userId}`, { body: {} })).status).toBe(201);
  const post = () =>
    api.call('POST', '/v1/runs', {
      body: { userId, task: 'Do it.', tools: ['SLACK_LIST_CHANNELS'] },
      headers: { 'idempotency-key': userId, prefer: 'respond-async' },
    });
  const lost = proxy.loseCommitAfter(/insert into "runs"/);
  const first = await post();
  expect(lost.times()).toBe(1);
  expect(first.status).toBeGreaterThanOrEqual(500);
  const second = await post();
  expect(second.status).toBe(409);
  expect(second.headers['retry-after']).toBeDefined();
  // An acceptance that was interrupted is over after 30 s; the test need not wait for it.
  await asSystem(db, (tx) =>
    tx
      .updateTable('idempotency_keys')
      .set({ created_at: new Date(Date.now() - 60_000) })
      .execute(),
  );
  const third = await post();
  expect([third.status, third.headers['idempotent-replayed']]).toEqual([200, 'true']);
  const runs = await asSystem(db, (tx) =>
    tx.selectFrom('runs').select('id').where('user_id', '=', userId).execute(),
  );
  expect(runs).toEqual([{ id: third.body.id }]);
});
