/**
 * A user with something of everything is erased: nothing of them is left in PostgreSQL, at Composio, or in the Temporal
 * server's own database, and nothing of anybody else is gone. On a Temporal server of its own, whose file can be read.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { recordConnections } from '../../db/connections.ts';
import { openEpisode } from '../../db/episodes.ts';
import { openFlow } from '../../db/flows.ts';
import { addNotice } from '../../db/notices.ts';
import { asSystem, asSystemOnce, forUser } from '../../db/scope.ts';
import { addWebhookEvent } from '../../db/webhook-events.ts';
import { standardErrorOutput } from '../../sandbox/progress.ts';
import { resolveTemporalBinary } from '../../sandbox/temporal/binary.ts';
import { type RunningTemporal, startTemporal } from '../../sandbox/temporal/server.ts';
import { makeTemporaryFolder } from '../../sandbox/temporary-folder.ts';
import { type TestApi, startTestApi } from '../api/setup/api.ts';
import { scripted } from '../setup/bellhop.ts';
import { createConnect } from '../setup/connect.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';
import { createNotices } from '../setup/notices.ts';
import { type Receiver, startReceiver } from '../setup/receiver.ts';
import { until } from '../setup/until.ts';
import { scanPostgres, scanSqlite } from './scan.ts';

let temporal: RunningTemporal;
let dbFile: string;
let database: TestDatabase;
let api: TestApi;
let receiver: Receiver;
beforeAll(async () => {
  const { path } = await resolveTemporalBinary({ env: process.env, output: standardErrorOutput() });
  dbFile = join(await makeTemporaryFolder('erasure'), 'temporal.db');
  temporal = await startTemporal({
    binary: path,
    store: { dbFile },
    ui: false,
    namespace: 'default',
    log: () => undefined,
  });
  database = await createTestDatabase();
  receiver = await startReceiver();
  api = await startTestApi({
    ownTemporal: temporal.address,
    databaseUrl: database.url,
    settings: { webhook: { url: receiver.url, secret: 'whsec_c2VjcmV0' }, toolTimeoutMs: 60_000 },
  });
});
afterAll(async () => {
  await api?.close();
  await receiver?.close();
  await database?.drop();
  await temporal?.stop();
});

const SLACK = ['SLACK_SEND_MESSAGE'];
const say = (text: string) => ({
  name: 'SLACK_SEND_MESSAGE',
  arguments: { channel: 'general', markdown_text: text },
});
const startRun = async (body: object): Promise<string> => {
  const answer = await api.call('POST', '/v1/runs', { body: { tools: SLACK, ...body } });
  expect(answer.status).toBe(202);
  return answer.body.id;
};
const completed = (erasureId: string) =>
  until(
    'the erasure is over',
    async () => {
      const { body } = await api.call('GET', `/v1/erasures/${erasureId}`);
      return body.status === 'completed' ? body : null;
    },
    60_000,
  );
const erase = async (userId: string): Promise<string> => {
  const answer = await api.call('DELETE', `/v1/users/${userId}`);
  expect(answer.status).toBe(202);
  return answer.body.erasureId;
};

/** Something of everything: ended, waiting, asking, told. @returns the words that are this user's alone. */
async function fill(name: string): Promise<{ userId: string; words: string[] }> {
  const canary = randomUUID().replaceAll('-', '');
  const userId = `${name}-${canary}`;
  const [task, text, approver, note] = ['task', 'text', 'approver', 'note'].map(
    (what) => `${what}${canary}`,
  ) as [string, string, string, string];
  await api.call('PUT', `/v1/users/${userId}`, {
    body: { email: `${canary}@example.com`, displayName: `name${canary}`, metadata: { note } },
  });
  await api.bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  await api.bellhop.sandbox.seedAccount({ userId, app: 'github' });
  const done = await startRun({
    userId,
    task: scripted([{ toolCalls: [say(text)] }, { content: text }], task),
  });
  await api.bellhop.ended(done, 60_000);
  const asking = await startRun({
    userId,
    task: scripted([{ toolCalls: [say(text)] }, { content: 'x' }], task),
    approvals: { require: 'writes' },
  });
  await api.bellhop.until(asking, (run) => run.status === 'waiting_for_approval', 60_000);
  const { body } = await api.call('GET', `/v1/runs/${asking}`);
  await api.call('POST', `/v1/runs/${asking}/approvals/${body.toolCalls[0].id}`, {
    body: { decision: 'deny', approver },
  });
  await api.bellhop.ended(asking, 60_000);
  const waiting = await startRun({ userId, task, tools: ['GMAIL_SEND_EMAIL'] });
  await api.bellhop.until(waiting, (run) => run.status === 'waiting_for_connection', 60_000);
  const keyed = { headers: { 'idempotency-key': `key${canary}` }, body: { userId, task, tools: SLACK } };
  await api.bellhop.ended((await api.call('POST', '/v1/runs', keyed)).body.id, 60_000);
  const connect = createConnect(api.bellhop);
  await connect.click(await connect.open(userId, { app: 'notion' }));
  await createNotices(api.bellhop).notify(userId);
  await asSystemOnce(
    api.bellhop.db,
    addWebhookEvent({ id: `whe-${randomUUID()}`, type: 'x', accountId: `ca_${canary}`, namedUser: userId }),
  );
  return { userId, words: [userId, canary, task, text, approver, note] };
}

describe('an erasure', () => {
  test(
    'leaves nothing of the user anywhere, nothing of anybody else is gone, and says how much there was',
    { timeout: 300_000 },
    async () => {
      const alice = await fill('alice');
      const bob = await fill('bob');
      // The scan would find them: they are there now, in both databases.
      expect(Object.keys(await scanPostgres(database.superuserUrl, alice.words)).length).toBeGreaterThan(8);
      expect(Object.keys(scanSqlite(dbFile, alice.words))).toContain('history_node');
      const before = await scanPostgres(database.superuserUrl, bob.words);

      const erasure = await completed(await erase(alice.userId));
      expect(erasure.report).toMatchObject({ runs: 4, connectionsRefused: 0 });
      expect(erasure.report.flows).toBeGreaterThanOrEqual(2);
      expect(erasure.report.connections).toBeGreaterThanOrEqual(2);
      expect(erasure.report.executions).toBeGreaterThanOrEqual(erasure.report.runs + erasure.report.flows);

      expect(await scanPostgres(database.superuserUrl, alice.words)).toEqual({});
      expect(await api.bellhop.sandbox.accounts({ userId: alice.userId })).toEqual([]);
      // Temporal deletes after it has answered.
      let left: object = {};
      await until(
        'Temporal has deleted',
        async () => Object.keys((left = scanSqlite(dbFile, alice.words))).length === 0,
      ).catch(() => expect(left).toEqual({}));
      expect(api.logged()).not.toContain(alice.words[2]);

      const after = await scanPostgres(database.superuserUrl, bob.words);
      for (const table of [
        'public.users',
        'public.runs',
        'public.messages',
        'public.tool_calls',
        'public.connection_flows',
      ])
        expect([table, after[table]]).toEqual([table, before[table]]);
      expect((await api.bellhop.sandbox.accounts({ userId: bob.userId })).length).toBeGreaterThanOrEqual(2);
      expect(scanSqlite(dbFile, [bob.userId])).toHaveProperty('history_node');
      const log = (await api.call('GET', '/v1/audit-log?limit=100')).body.items;
      expect(log).toContainEqual(
        expect.objectContaining({
          action: 'user.erase_requested',
          userId: null,
          details: { erasureId: erasure.id },
        }),
      );
      expect((await api.call('GET', `/v1/users/${alice.userId}`)).status).toBe(404);
      expect((await api.call('PUT', `/v1/users/${alice.userId}`, { body: {} })).status).toBe(201);
    },
  );

  test(
    'lets a sent tool call finish, begins nothing meanwhile, and is one erasure however often it is asked for',
    { timeout: 300_000 },
    async () => {
      const userId = `busy-${randomUUID()}`;
      await api.call('PUT', `/v1/users/${userId}`, { body: {} });
      await api.bellhop.sandbox.seedAccount({ userId, app: 'slack' });
      await api.bellhop.sandbox.addFault({
        match: { route: 'tools.execute', userId },
        action: { type: 'hold', barrier: userId },
      });
      const runId = await startRun({
        userId,
        task: scripted([{ toolCalls: [say('hi')] }, { content: 'x' }]),
      });
      await api.bellhop.sandbox.waitForBarrier(userId);
      const erasureId = await erase(userId);
      expect(await erase(userId)).toBe(erasureId);
      // While it runs: nothing of the user begins, by whatever door, and nothing is told.
      const refused = [
        await api.call('PUT', `/v1/users/${userId}`, { body: { displayName: 'new' } }),
        await api.call('POST', '/v1/runs', { body: { userId, task: 'x', tools: SLACK } }),
        await api.call('POST', `/v1/users/${userId}/connections`, { body: { app: 'gmail' } }),
      ];
      expect(refused.map(({ status, body }) => [status, body.code])).toEqual(
        refused.map(() => [409, 'user_erasing']),
      );
      const { db } = api.bellhop;
      const flow = {
        userId,
        app: 'gmail',
        appName: 'Gmail',
        reconnect: false,
        returnUrl: null,
        timeoutMs: 1_000,
      };
      await expect(forUser(db, userId, (tx) => openFlow(tx, flow))).rejects.toThrow('being erased');
      const notice = {
        userId,
        type: 'run.failed',
        dedupeKey: randomUUID(),
        app: null,
        flowId: null,
        runId: null,
        data: {},
      } as const;
      expect(await forUser(db, userId, (tx) => addNotice(tx, notice, ['webhook']))).toBeNull();
      const broken = { userId, app: 'slack', accountId: 'ca_1', status: 'EXPIRED' } as const;
      expect(await forUser(db, userId, (tx) => openEpisode(tx, broken))).toBeNull();
      expect((await api.call('GET', `/v1/erasures/${erasureId}`)).body.status).toBe('running');
      expect((await api.bellhop.run(runId)).finishedAt).toBeNull();

      await api.bellhop.sandbox.releaseBarrier(userId);
      await completed(erasureId);
      expect(await api.bellhop.sandbox.journal({ userId })).toHaveLength(1);
      expect(receiver.of(userId)).toEqual([]);
    },
  );

  test('is not undone by what comes late: rows of an activity, an audit, a webhook find no user to belong to', async () => {
    const userId = `late-${randomUUID()}`;
    await api.call('PUT', `/v1/users/${userId}`, { body: {} });
    await completed(await erase(userId));
    const { db } = api.bellhop;
    const account = {
      id: 'ca_late',
      entityId: userId,
      app: 'slack',
      authConfigId: null,
      status: 'ACTIVE',
      statusReason: null,
      disabled: false,
      createdAt: '2026-01-01T00:00:00Z',
      updatedAt: '2026-01-01T00:00:00Z',
    } as const;
    const late = [
      forUser(db, userId, (tx) => recordConnections(tx, userId, [account])),
      forUser(db, userId, (tx) =>
        openEpisode(tx, { userId, app: 'slack', accountId: 'ca_1', status: 'EXPIRED' }),
      ),
      forUser(db, userId, (tx) =>
        addNotice(
          tx,
          {
            userId,
            type: 'run.failed',
            dedupeKey: randomUUID(),
            app: null,
            flowId: null,
            runId: null,
            data: {},
          },
          [],
        ),
      ),
    ];
    for (const end of await Promise.allSettled(late))
      expect(end).toMatchObject({ status: 'rejected', reason: { code: '23503' } });
    expect(await scanPostgres(database.superuserUrl, [userId])).toEqual({});
  });

  test(
    'of somebody unknown is 404; one whose workflow was lost is begun again by the sweep',
    { timeout: 300_000 },
    async () => {
      expect((await api.call('DELETE', '/v1/users/nobody')).status).toBe(404);
      const userId = `lost-${randomUUID()}`;
      await api.call('PUT', `/v1/users/${userId}`, { body: {} });
      await api.bellhop.sandbox.seedAccount({ userId, app: 'slack' });
      await api.bellhop.stopWorker();
      const erasureId = await erase(userId);
      await api.bellhop.client.workflow.getHandle(`erase-${erasureId}`).terminate('lost');
      await asSystem(api.bellhop.db, (tx) =>
        tx
          .updateTable('erasures')
          .set({ started_at: new Date(Date.now() - 60_000) })
          .where('id', '=', erasureId)
          .execute(),
      );
      await api.bellhop.startWorker();
      await api.bellhop.client.workflow.execute('sweep', {
        workflowId: `sweep-${randomUUID()}`,
        taskQueue: api.bellhop.taskQueue,
      });
      expect((await completed(erasureId)).report.connections).toBe(1);
    },
  );
});
