/**
 * The whole main job through a pooler that gives a connection for one transaction only: API and worker processes behind PgBouncer,
 * four server connections for everybody. Who may see what is set per transaction, so no setting may stay on a connection; what
 * listens goes around the pooler (DATABASE_DIRECT_URL).
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Browser } from '../../sandbox/demo/browser.ts';
import { openEvents } from '../api/setup/event-client.ts';
import { untilSettled } from '../api/setup/settled-run.ts';
import { type ApiProcess, startApiProcess } from '../setup/api-process.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { findPgBouncer, type PgBouncer, startPgBouncer } from '../setup/pgbouncer.ts';
import { createTestNamespace } from '../setup/temporal.ts';
import { until } from '../setup/until.ts';
import { startWorkerProcess, type WorkerProcess } from '../setup/worker-process.ts';

const POOL_SIZE = 4;
const USERS = 20;
const program = findPgBouncer();

const missing = program === null ? ' (skipped: this machine has none; apt-get install pgbouncer)' : '';

describe.skipIf(program === null)(`behind PgBouncer in transaction mode${missing}`, () => {
  let bellhop: TestBellhop;
  let namespace: string;
  let bouncer: PgBouncer;
  let worker: WorkerProcess;
  let api: ApiProcess;
  beforeAll(async () => {
    // Its own namespace: worker/main.ts makes Schedules with fixed ids.
    namespace = await createTestNamespace();
    bellhop = await startTestBellhop({ noWorker: true, namespace });
    bouncer = await startPgBouncer(program ?? '', bellhop.databaseUrl, { poolSize: POOL_SIZE });
    const env = { DATABASE_URL: bouncer.url, DATABASE_DIRECT_URL: bellhop.databaseUrl };
    worker = await startWorkerProcess(bellhop, { namespace, env });
    api = await startApiProcess(bellhop, { namespace, env });
    await worker.polls;
  });
  afterAll(async () => {
    await api?.kill();
    await worker?.kill();
    await bouncer?.close();
    await bellhop?.close();
  });
  const post = async (userId: string) => {
    await api.call('PUT', `/v1/users/${userId}`, { body: {} });
    const body = { userId, task: `Tell #general hello from ${userId}`, tools: ['SLACK_SEND_MESSAGE'] };
    const answer = await api.call('POST', '/v1/runs', { body });
    expect(answer.status).toBe(202);
    return answer.body;
  };

  test('a run waits for its connection, the person connects, the run ends, and its stream tells', async () => {
    const alice = `alice-${randomUUID()}`;
    const run = await untilSettled(api, (await post(alice)).id);
    expect(run.status).toBe('waiting_for_connection');
    const stream = await openEvents(api.url, run.id);
    const browser = new Browser();
    const consent = await browser.click(await browser.open(run.waitingFor[0].connectUrl), /\/go$/);
    expect((await browser.submit(consent, { decision: 'approve' })).status).toBe(200);
    expect((await bellhop.ended(run.id, 60_000)).status).toBe('completed');
    await stream.over;
    expect(stream.events.at(-1)?.event).toBe('run.completed');
    expect(stream.events.map(({ id }) => id)).toEqual(stream.events.map((_event, i) => i + 1));
    expect(await bellhop.sandbox.journal({ userId: alice })).toHaveLength(1);
    // The API's listeners are on connections of their own, and were never lost.
    expect(api.output()).not.toMatch(/DATABASE_DIRECT_URL|heard late/);
  });

  test(`${USERS} users at once each act with their own account, over ${POOL_SIZE} server connections`, async () => {
    const users = Array.from({ length: USERS }, (_, n) => `user-${n}-${randomUUID()}`);
    await bellhop.sandbox.seedAccounts(users.map((userId) => ({ userId, app: 'slack' })));
    const runs = await Promise.all(users.map(post));
    for (const { id } of runs) expect((await bellhop.ended(id, 60_000)).status).toBe('completed');
    // Whatever one of them did, or somebody with an account of theirs.
    const effects = (await bellhop.sandbox.journal()).filter(({ userId, accountOwner }) =>
      users.some((id) => id === userId || id === accountOwner),
    );
    expect(effects).toHaveLength(USERS);
    expect(new Set(effects.map(({ userId }) => userId))).toEqual(new Set(users));
    for (const { userId, accountOwner, arguments: args } of effects) {
      expect(accountOwner).toBe(userId);
      expect(JSON.stringify(args)).toMatch(new RegExp(`from ${userId ?? ''}\\b`));
    }
    const servers = await bouncer.show('servers');
    expect(servers.length).toBeGreaterThan(0);
    expect(servers.length).toBeLessThanOrEqual(POOL_SIZE);
    expect((await bouncer.show('clients')).length).toBeGreaterThan(POOL_SIZE);
  });

  test('no connection keeps a role or a user', async () => {
    const pool = new pg.Pool({ connectionString: bouncer.url, max: POOL_SIZE });
    const sql =
      "select current_user::text as role, current_setting('bellhop.user_id', true) as who, pg_sleep(0.05)";
    const seen = await Promise.all(Array.from({ length: 4 * POOL_SIZE }, () => pool.query(sql)));
    await pool.end();
    const found = new Set(
      seen.flatMap(({ rows }) => rows).map(({ role, who }) => `${role} ${who || 'nobody'}`),
    );
    expect([...found]).toEqual(['bellhop nobody']);
  });

  test('an API that was given the pooler alone says what is missing, and its streams go on by polling', async () => {
    const lone = await startApiProcess(bellhop, { namespace, env: { DATABASE_URL: bouncer.url } });
    try {
      await until(
        'a word about the pooler',
        async () => lone.output().includes('DATABASE_DIRECT_URL'),
        60_000,
      );
      const bob = `bob-${randomUUID()}`;
      const run = await post(bob);
      const stream = await openEvents(lone.url, run.id);
      await bellhop.sandbox.seedAccount({ userId: bob, app: 'slack' });
      await api.call('POST', `/v1/runs/${run.id}/cancel`);
      await stream.over;
      expect(stream.events.at(-1)?.event).toBe('run.cancelled');
    } finally {
      await lone.kill();
    }
  });
});
