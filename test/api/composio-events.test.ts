/** From Composio's webhook to the user who is told: what is read again, who is told once, and what happens when Composio is down. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { listOpenEpisodes } from '../../db/episodes.ts';
import { asSystem, asSystemOnce } from '../../db/scope.ts';
import { addWebhookEvent } from '../../db/webhook-events.ts';
import type { WebhookDelivery } from '../../sandbox/composio/webhook-events.ts';
import { SWEEP, webhookEventsWorkflowId } from '../../workflows/messages.ts';
import { type Receiver, startReceiver } from '../setup/receiver.ts';
import { until } from '../setup/until.ts';
import type { TestApi } from './setup/api.ts';
import { send, startTestApi } from './setup/api.ts';

const SECRET = 'whsec_of the project';
let api: TestApi;
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
  const webhook = { url: receiver.url, secret: 'a secret of the integrator' };
  api = await startTestApi({ webhookSecrets: [SECRET], settings: { webhook } });
});
afterAll(async () => {
  await api.close();
  await receiver.close();
});
beforeEach(() => api.bellhop.sandbox.clearFaults());

type Event = { readonly accountId: string; readonly omitUserId?: boolean; readonly webhookId?: string };
const emit = (event: Event): Promise<WebhookDelivery> =>
  api.bellhop.sandbox.emitWebhook({ ...event, url: `${api.url}/v1/webhooks/composio`, secret: SECRET });
const outcomesOf = async (ids: readonly string[]): Promise<(string | null | undefined)[]> => {
  const rows = await asSystem(api.bellhop.db, (tx) =>
    tx.selectFrom('webhook_events').select(['id', 'outcome']).where('id', 'in', ids).execute(),
  );
  return ids.map((id) => rows.find((row) => row.id === id)?.outcome);
};
/** Sends it, and waits until it was looked into. */
async function heed(event: Event): Promise<string | null | undefined> {
  const { status, webhookId } = await emit(event);
  expect(status).toBe(202);
  return until(`${webhookId} settled`, async () => (await outcomesOf([webhookId]))[0] ?? null, 60_000);
}
const newUser = async (): Promise<string> => {
  const userId = `user-${randomUUID()}`;
  await api.bellhop.putUser(userId);
  return userId;
};
const seed = async (userId: string, status: 'EXPIRED' | 'ACTIVE' | 'INITIATED' = 'EXPIRED', app = 'slack') =>
  (await api.bellhop.sandbox.seedAccount({ userId, app, status })).id;
const told = (userId: string) => receiver.of(userId, 'connection.expired');
const untilTold = (userId: string, count: number) =>
  until(`${count} notices for ${userId}`, async () => told(userId).length >= count, 60_000);
const openApps = async (userId: string): Promise<string[]> =>
  (await asSystem(api.bellhop.db, (tx) => listOpenEpisodes(tx, [userId]))).map(({ app }) => app);

describe('composio.connected_account.expired', () => {
  it.each([false, true])(
    'of an account of ours tells its user once, with the link that mends it (without user_id: %s)',
    async (omitUserId) => {
      const userId = await newUser();
      const accountId = await seed(userId);
      expect(await heed({ accountId, omitUserId })).toBe('read');
      await untilTold(userId, 1);
      const [notice] = told(userId);
      expect(notice?.body.data).toMatchObject({ userId, app: 'slack', accountId, status: 'EXPIRED' });
      expect(notice?.body.data['connectUrl']).toMatch(/\/connect\//);
      // Told again by another event, and by the next audit: the episode is open.
      expect(await heed({ accountId, omitUserId })).toBe('read');
      expect(await openApps(userId)).toEqual(['slack']);
      expect(told(userId)).toHaveLength(1);
    },
  );

  it('is read back: an account that works, by itself or beside another, is no break', async () => {
    const [fine, beside, unfinished] = [await newUser(), await newUser(), await newUser()];
    const events = [
      await seed(fine, 'ACTIVE'),
      await seed(beside, 'EXPIRED'),
      await seed(unfinished, 'INITIATED'),
    ];
    await seed(beside, 'ACTIVE');
    for (const accountId of events) {
      expect(await heed({ accountId })).toBe('read');
      expect(await heed({ accountId, omitUserId: true })).toBe('read');
    }
    for (const userId of [fine, beside, unfinished]) {
      expect(await openApps(userId)).toEqual([]);
      expect(told(userId)).toEqual([]);
    }
  });

  it('closes the episode of what works again meanwhile', async () => {
    const userId = await newUser();
    const accountId = await seed(userId);
    await heed({ accountId });
    await api.bellhop.sandbox.setStatus(accountId, 'ACTIVE');
    await heed({ accountId });
    expect(await openApps(userId)).toEqual([]);
    await api.bellhop.sandbox.setStatus(accountId, 'EXPIRED');
    await heed({ accountId });
    await untilTold(userId, 2);
  });

  it('of nobody’s, of a stranger’s and of an account that is gone writes nothing and tells nobody', async () => {
    const stranger = `stranger-${randomUUID()}`;
    const accountId = await seed(stranger);
    expect(await heed({ accountId })).toBe('foreign');
    expect(await heed({ accountId, omitUserId: true })).toBe('foreign');
    const userId = await newUser();
    const gone = await seed(userId);
    await api.bellhop.sandbox.addFault({
      match: { pathPrefix: `/connected_accounts/${gone}` },
      action: { type: 'hold', barrier: gone },
    });
    const { webhookId } = await emit({ accountId: gone, omitUserId: true });
    await api.bellhop.sandbox.waitForBarrier(gone, 1, 60_000);
    await api.bellhop.sandbox.deleteAccount(gone);
    await api.bellhop.sandbox.releaseBarrier(gone);
    await until('gone', async () => (await outcomesOf([webhookId]))[0] === 'gone', 60_000);
    expect([...told(userId), ...told(stranger)]).toEqual([]);
    const users = await asSystem(api.bellhop.db, (tx) =>
      tx
        .selectFrom('connection_flows')
        .select('user_id')
        .where('user_id', 'in', [stranger, userId])
        .execute(),
    );
    expect(users).toEqual([]);
  });

  it('that names another user of ours than Composio does tells the owner, and not the one it names', async () => {
    const [owner, named] = [await newUser(), await newUser()];
    const accountId = await seed(owner);
    const id = `msg_${randomUUID()}`;
    const type = 'composio.connected_account.expired';
    await asSystemOnce(api.bellhop.db, addWebhookEvent({ id, type, accountId, namedUser: named }));
    await heed({ accountId: await seed(await newUser()) });
    await until('read', async () => (await outcomesOf([id]))[0] === 'read', 60_000);
    await untilTold(owner, 1);
    expect(told(named)).toEqual([]);
    expect(await openApps(named)).toEqual([]);
  });

  it('leaves nothing of whose it was once it is settled', async () => {
    const accountId = await seed(await newUser());
    const { webhookId } = await emit({ accountId });
    await until('settled', async () => (await outcomesOf([webhookId]))[0], 60_000);
    const [row] = await asSystem(api.bellhop.db, (tx) =>
      tx.selectFrom('webhook_events').selectAll().where('id', '=', webhookId).execute(),
    );
    expect(row).toMatchObject({ account_id: null, named_user: null });
  });
});

describe('while Composio', () => {
  it.each([
    ['hangs', { type: 'hang' }],
    ['is down', { type: 'status', status: 503 }],
    ['resets', { type: 'reset' }],
  ] as const)(
    '%s, an event is answered without waiting, and its user is told afterwards',
    async (_name, action) => {
      const userId = await newUser();
      const accountId = await seed(userId);
      await api.bellhop.sandbox.addFault({ match: { pathPrefix: '/connected_accounts' }, action });
      const began = performance.now();
      const { status, webhookId } = await emit({ accountId, omitUserId: action.type === 'reset' });
      // The machine of the tests is busy; what hangs here hangs for much longer.
      expect(performance.now() - began).toBeLessThan(30_000);
      expect(status).toBe(202);
      await until('tried', async () => {
        const [row] = await asSystem(api.bellhop.db, (tx) =>
          tx.selectFrom('webhook_events').select('tries').where('id', '=', webhookId).execute(),
        );
        return (row?.tries ?? 0) >= 1;
      });
      expect(await outcomesOf([webhookId])).toEqual([null]);
      await api.bellhop.sandbox.clearFaults();
      await untilTold(userId, 1);
      await expect.poll(() => outcomesOf([webhookId])).toEqual(['read']);
    },
    120_000,
  );

  it('fails at one account, or refuses one user, the others are told nevertheless', async () => {
    const users = await Promise.all(Array.from({ length: 4 }, newUser));
    const accounts = await Promise.all(users.map((userId) => seed(userId)));
    const [failing = '', refused = ''] = accounts;
    await api.bellhop.sandbox.addFault({
      match: { pathPrefix: `/connected_accounts/${failing}` },
      action: { type: 'status', status: 500 },
    });
    await api.bellhop.sandbox.addFault({
      match: { userId: users[1] ?? '', route: 'accounts.list' },
      action: { type: 'status', status: 400 },
    });
    const sent = [
      await emit({ accountId: failing, omitUserId: true }),
      await emit({ accountId: refused }),
      await emit({ accountId: accounts[2] ?? '', omitUserId: true }),
      await emit({ accountId: accounts[3] ?? '' }),
    ].map(({ webhookId }) => webhookId);
    await untilTold(users[2] ?? '', 1);
    await untilTold(users[3] ?? '', 1);
    await until(
      'all but one',
      async () => {
        const outcomes = await outcomesOf(sent);
        return JSON.stringify(outcomes) === JSON.stringify([null, 'refused', 'read', 'read']);
      },
      60_000,
    );
    await api.bellhop.sandbox.clearFaults();
    await untilTold(users[0] ?? '', 1);
    expect(told(users[1] ?? '')).toEqual([]);
  });
});

describe('an event that nobody was told of', () => {
  it('is found by the sweep', async () => {
    const userId = await newUser();
    const accountId = await seed(userId);
    const id = `msg_${randomUUID()}`;
    const type = 'composio.connected_account.expired';
    await asSystemOnce(api.bellhop.db, addWebhookEvent({ id, type, accountId, namedUser: null }));
    const sweep = async (): Promise<unknown> =>
      await api.bellhop.client.workflow.execute(SWEEP, {
        workflowId: `sweep-${randomUUID()}`,
        taskQueue: api.bellhop.taskQueue,
      });
    // Fresh, the API may still be about to tell.
    expect(await sweep()).toMatchObject({ events: 0, failedParts: 0 });
    await asSystem(api.bellhop.db, (tx) =>
      sql`update webhook_events set received_at = now() - interval '21 seconds' where id = ${id}`.execute(tx),
    );
    expect(await sweep()).toMatchObject({ events: 1, failedParts: 0 });
    await untilTold(userId, 1);
    await until('settled', async () => (await outcomesOf([id]))[0] === 'read');
  });
});

describe('a thousand events at once', () => {
  it('of 200 users are answered without 5xx, looked into by few questions and one workflow, and told once each', async () => {
    const users = await Promise.all(Array.from({ length: 200 }, newUser));
    const accounts = await api.bellhop.sandbox.seedAccounts(
      users.map((userId) => ({ userId, app: 'slack', status: 'EXPIRED' as const })),
    );
    const before = (await api.bellhop.sandbox.requests({})).at(-1)?.seq ?? 0;
    const post = async (i: number): Promise<string> => {
      const [id, at] = [`msg_${randomUUID()}`, new Date()];
      const data = { id: accounts[i % 200]?.id, user_id: users[i % 200] };
      const body = JSON.stringify({ type: 'composio.connected_account.expired', data });
      const headers = {
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
        'webhook-signature': new Webhook(SECRET, { format: 'raw' }).sign(id, at, body),
      };
      const answer = await send(api.url, 'POST', '/v1/webhooks/composio', { body, headers });
      expect(answer.status).toBe(202);
      return id;
    };
    const began = performance.now();
    const ids = await Promise.all(Array.from({ length: 1_000 }, (_, i) => post(i)));
    for (const userId of users) await untilTold(userId, 1);
    await until(
      'all settled',
      async () => (await outcomesOf(ids)).every((outcome) => outcome === 'read'),
      60_000,
    );
    expect(users.map((userId) => told(userId).length)).toEqual(users.map(() => 1));
    const asked = (await api.bellhop.sandbox.requests({ since: before })).filter(({ path }) =>
      path.includes('/connected_accounts'),
    );
    // By hundreds, as they come: a round a second at most, each of a few questions.
    expect(asked.length).toBeLessThan(100 + 4 * ((performance.now() - began) / 1_000));
    const history = await api.bellhop.client.workflow
      .getHandle(webhookEventsWorkflowId(api.bellhop.taskQueue))
      .fetchHistory();
    const signals = history.events?.filter(({ workflowExecutionSignaledEventAttributes: signal }) => signal);
    // One a second, however many events; and one for what went before.
    expect(signals?.length).toBeLessThan((performance.now() - began) / 1_000 + 3);
  }, 180_000);
});
