/** The audit with a real worker: who must be told, once, whichever way is taken. A real receiver judges. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Audit, getAudit, listAudits, listSkipped, openAudit } from '../../db/audits.ts';
import { listOpenEpisodes } from '../../db/episodes.ts';
import { asSystem } from '../../db/scope.ts';
import type { AuditMode } from '../../domain/statuses.ts';
import { AUDIT_CONNECTIONS, type AuditResult, auditWorkflowId } from '../../workflows/messages.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createConnect } from '../setup/connect.ts';
import { type Receiver, startReceiver } from '../setup/receiver.ts';
import { until } from '../setup/until.ts';

let bellhop: TestBellhop;
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
  const webhook = { url: receiver.url, secret: 'a secret of the integrator' };
  bellhop = await startTestBellhop({ settings: { webhook } });
});
afterAll(async () => {
  await bellhop.close();
  await receiver.close();
});
beforeEach(async () => {
  await bellhop.sandbox.clearFaults();
  await bellhop.sandbox.updateSettings({ maxPageSize: 1000 });
  // Whom an earlier test, or an attempt that failed, has registered is a stranger from now on, and its audit is over.
  await asSystem(bellhop.db, async (tx) => {
    await tx.deleteFrom('users').execute();
    await tx
      .updateTable('audits')
      .set({ status: 'failed', finished_at: new Date() })
      .where('status', '=', 'running')
      .execute();
  });
});

async function begin(mode: AuditMode = 'users') {
  const auditId = randomUUID();
  const options = {
    workflowId: auditWorkflowId(auditId),
    taskQueue: bellhop.taskQueue,
    args: [{ auditId, mode }] as [object],
  };
  return { auditId, handle: await bellhop.client.workflow.start(AUDIT_CONNECTIONS, options) };
}
async function audit(mode: AuditMode = 'users'): Promise<AuditResult & Pick<Audit, 'composioRequests'>> {
  const { auditId, handle } = await begin(mode);
  const result = (await handle.result()) as AuditResult;
  const row = await asSystem(bellhop.db, (tx) => getAudit(tx, auditId));
  expect(row).toMatchObject(result);
  return { ...result, composioRequests: row?.composioRequests ?? -1 };
}
const newUsers = async (count: number, prefix = randomUUID().slice(0, 8)): Promise<string[]> => {
  const ids = Array.from({ length: count }, (_, i) => `${prefix}-${String(i).padStart(4, '0')}`);
  for (let i = 0; i < ids.length; i += 25)
    await Promise.all(ids.slice(i, i + 25).map((id) => bellhop.putUser(id)));
  return ids;
};
const told = (userId: string) => receiver.of(userId, 'connection.expired');
/** Waits for `count` tellings of each, and then a moment for one too many. */
async function expectTold(users: readonly string[], count: number): Promise<void> {
  for (const id of users) await until(`${count} notices for ${id}`, async () => told(id).length >= count);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(users.map((id) => told(id).length)).toEqual(users.map(() => count));
}

describe('an audit', () => {
  test.each<AuditMode>(['users', 'status'])('of nobody ends at once (%s)', async (mode) => {
    const result = await audit(mode);
    expect(result).toMatchObject({
      status: 'completed',
      usersScanned: 0,
      broken: 0,
      notified: 0,
      skipped: 0,
    });
  });

  test('tells each user and app once, in both ways the same, and not again until it broke anew', async () => {
    const users = await newUsers(8);
    const [expired, failed, inactive, revoked, fine, beside, unfinished, two] = users as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    await bellhop.sandbox.seedAccounts([
      { userId: expired, app: 'slack', status: 'EXPIRED' },
      { userId: failed, app: 'gmail', status: 'FAILED' },
      { userId: inactive, app: 'slack', status: 'INACTIVE' },
      { userId: revoked, app: 'notion', status: 'REVOKED' },
      { userId: fine, app: 'slack' },
      { userId: beside, app: 'slack', status: 'EXPIRED' },
      { userId: beside, app: 'slack', createdAt: '2020-01-01T00:00:00.000Z' },
      { userId: unfinished, app: 'slack', status: 'INITIATED' },
      { userId: two, app: 'slack', status: 'EXPIRED' },
      { userId: two, app: 'gmail', status: 'EXPIRED' },
      // Somebody else's project shares this Composio key; and one whose id differs in case only.
      { userId: `stranger-${randomUUID()}`, app: 'slack', status: 'EXPIRED' },
      { userId: expired.toUpperCase(), app: 'gmail', status: 'EXPIRED' },
    ]);
    const first = await audit('users');
    expect(first).toMatchObject({ status: 'completed', broken: 6, notified: 6, skipped: 0 });
    await expectTold([expired, failed, inactive, revoked], 1);
    await expectTold([two], 2);
    await expectTold([fine, beside, unfinished], 0);
    expect(receiver.received.some(({ body }) => String(body.data['userId']).startsWith('stranger'))).toBe(
      false,
    );
    expect(await audit('status')).toMatchObject({ broken: 6, notified: 0, skipped: 0 });
    expect(await audit('users')).toMatchObject({ broken: 6, notified: 0 });
    await expectTold([expired, failed, inactive, revoked], 1);

    // Mended elsewhere: the episode closes although no page shows it as broken any more; a later break is told again.
    const mended = await bellhop.sandbox.seedAccount({ userId: expired, app: 'slack' });
    const [gone] = await bellhop.sandbox.accounts({ userId: failed });
    await bellhop.sandbox.deleteAccount(gone?.id ?? '');
    expect(await audit('users')).toMatchObject({ broken: 4, notified: 0 });
    const open = await asSystem(bellhop.db, (tx) => listOpenEpisodes(tx, [expired, failed]));
    expect(open).toEqual([]);
    await bellhop.sandbox.setStatus(mended.id, 'EXPIRED');
    expect(await audit('status')).toMatchObject({ broken: 5, notified: 1 });
    await expectTold([expired], 2);
  }, 180_000);

  test.each<AuditMode>(['users', 'status'])(
    'finds the same on fresh data (%s)',
    async (mode) => {
      const prefix = randomUUID().slice(0, 8);
      const users = await newUsers(30, prefix);
      const broken = users.filter((_, i) => i % 3 === 0);
      await bellhop.sandbox.seedAccounts(
        users.map((userId) => ({
          userId,
          app: 'slack',
          status: broken.includes(userId) ? 'EXPIRED' : 'ACTIVE',
        })),
      );
      expect((await audit(mode)).notified).toBe(10);
      await expectTold(broken, 1);
      await expectTold(
        users.filter((id) => !broken.includes(id)),
        0,
      );
    },
    180_000,
  );

  test('an account of ours that was never ACTIVE is an unfinished flow, not a break', async () => {
    const connect = createConnect(bellhop);
    const [userId = ''] = await newUsers(1);
    const click = await connect.click(await connect.open(userId));
    // Straight after the audit has asked, as it is between two polls.
    await bellhop.sandbox.setStatus(click.accountId, 'EXPIRED');
    await audit('users');
    await audit('status');
    await expectTold([userId], 0);
  });

  test('goes through 250 users with ids of 128 characters, with a server that shows 7 accounts a page', async () => {
    const prefix = randomUUID();
    const users = await newUsers(250, `${prefix}-${'x'.repeat(128 - prefix.length - 6)}`);
    expect(users[0]).toHaveLength(128);
    const broken = users.filter((_, i) => i % 10 === 3);
    await bellhop.sandbox.seedAccounts(broken.map((userId) => ({ userId, app: 'gmail', status: 'EXPIRED' })));
    await bellhop.sandbox.updateSettings({ maxPageSize: 7 });
    const before = await bellhop.sandbox.requests({ route: 'accounts.list' });
    const result = await audit('users');
    expect(result.notified).toBe(25);
    expect(result.usersScanned).toBeGreaterThanOrEqual(250);
    await expectTold(broken, 1);
    const asked = (await bellhop.sandbox.requests({ since: before.at(-1)?.seq ?? 0 })).filter((r) =>
      r.path.endsWith('/connected_accounts'),
    );
    expect(asked.length).toBe(result.composioRequests);
    // Their ids travel in the address, which proxies cut at 8 kB.
    for (const { query } of asked) expect(query.length).toBeLessThan(5_000);
  }, 180_000);

  test('skips a user that Composio refuses to speak of, and tells the others', async () => {
    const users = await newUsers(12);
    await bellhop.sandbox.seedAccounts(users.map((userId) => ({ userId, app: 'slack', status: 'EXPIRED' })));
    const poison = users[5] ?? '';
    await bellhop.sandbox.addFault({ match: { userId: poison }, action: { type: 'status', status: 400 } });
    expect(await audit('users')).toMatchObject({ status: 'completed', notified: 11, skipped: 1 });
    await expectTold(
      users.filter((id) => id !== poison),
      1,
    );
    await expectTold([poison], 0);
    const [newest] = await asSystem(bellhop.db, (tx) => listAudits(tx, { before: null, limit: 1 }));
    const skipped = await asSystem(bellhop.db, (tx) => listSkipped(tx, newest?.audit.id ?? '', 10));
    expect(skipped).toEqual([{ userId: poison, reason: 'refused' }]);
    await bellhop.sandbox.clearFaults();
    expect(await audit('users')).toMatchObject({ notified: 1, skipped: 0 });
    await expectTold([poison], 1);
  }, 180_000);

  test.each<AuditMode>(['users', 'status'])(
    'skips a user who can be found but not read again, and tells the others (%s)',
    async (mode) => {
      const users = await newUsers(6);
      const app = 'github';
      await bellhop.sandbox.seedAccounts(users.map((userId) => ({ userId, app, status: 'EXPIRED' })));
      const poison = users[2] ?? '';
      const action = { type: 'status', status: 500 } as const;
      // Mode users asks about them once to find them.
      const skip = mode === 'users' ? 1 : 0;
      await bellhop.sandbox.addFault({ match: { userId: poison }, action, skip });
      expect(await audit(mode)).toMatchObject({ status: 'completed', notified: 5, skipped: 1 });
      await expectTold(
        users.filter((id) => id !== poison),
        1,
      );
      await bellhop.sandbox.clearFaults();
      expect(await audit(mode)).toMatchObject({ notified: 1, skipped: 0 });
      await expectTold([poison], 1);
    },
    180_000,
  );

  test('that Composio refuses altogether fails at once, and skips nobody', async () => {
    await newUsers(1);
    await bellhop.sandbox.addFault({
      match: { route: 'accounts.list' },
      action: { type: 'status', status: 400 },
    });
    const { auditId, handle } = await begin();
    await expect(handle.result()).rejects.toThrow();
    const row = await asSystem(bellhop.db, (tx) => getAudit(tx, auditId));
    expect(row).toMatchObject({ status: 'failed', skipped: 0 });
    expect(row?.finishedAt).not.toBeNull();
  }, 180_000);

  test('sees users who are added ahead of it while it runs', async () => {
    const prefix = `zz-${randomUUID()}`;
    const barrier = randomUUID();
    await newUsers(1, prefix);
    await bellhop.sandbox.addFault({
      match: { route: 'accounts.list' },
      action: { type: 'hold', barrier },
      times: 1,
    });
    const { handle } = await begin();
    await bellhop.sandbox.waitForBarrier(barrier);
    // Behind every user that there was: in the next page.
    const [late = ''] = await newUsers(1, `~${prefix}`);
    await bellhop.sandbox.seedAccount({ userId: late, app: 'slack', status: 'EXPIRED' });
    await bellhop.sandbox.releaseBarrier(barrier);
    expect(await handle.result()).toMatchObject({ status: 'completed' });
    await expectTold([late], 1);
  }, 180_000);

  test('goes on when users are removed meanwhile', async () => {
    const users = await newUsers(20);
    const barrier = randomUUID();
    await bellhop.sandbox.seedAccounts(users.map((userId) => ({ userId, app: 'slack', status: 'EXPIRED' })));
    await bellhop.sandbox.addFault({
      match: { route: 'accounts.list' },
      action: { type: 'hold', barrier },
      times: 1,
    });
    const { handle } = await begin();
    await bellhop.sandbox.waitForBarrier(barrier);
    const removed = users.slice(0, 5);
    await asSystem(bellhop.db, (tx) => tx.deleteFrom('users').where('user_id', 'in', removed).execute());
    await bellhop.sandbox.releaseBarrier(barrier);
    expect(await handle.result()).toMatchObject({ status: 'completed', notified: 15 });
    await expectTold(users.slice(5), 1);
    await expectTold(removed, 0);
  }, 180_000);

  test('asks again after 503 and 429, and counts nobody twice', async () => {
    const users = await newUsers(3);
    await bellhop.sandbox.seedAccounts(users.map((userId) => ({ userId, app: 'slack', status: 'EXPIRED' })));
    const match = { pathPrefix: '/connected_accounts' };
    await bellhop.sandbox.addFault({ match, action: { type: 'status', status: 503 }, times: 1 });
    await bellhop.sandbox.addFault({
      match,
      action: { type: 'status', status: 429, retryAfter: 1 },
      times: 1,
      skip: 1,
    });
    expect(await audit('users')).toMatchObject({ status: 'completed', notified: 3 });
    await expectTold(users, 1);
  }, 180_000);
});

describe('a second audit', () => {
  test('beside a running one is busy and does nothing; the running one can be cancelled', async () => {
    const barrier = randomUUID();
    await bellhop.sandbox.addFault({
      match: { pathPrefix: '/connected_accounts' },
      action: { type: 'hold', barrier },
    });
    await newUsers(1);
    const running = await begin();
    await bellhop.sandbox.waitForBarrier(barrier);
    const second = await begin('status');
    expect(await second.handle.result()).toMatchObject({ status: 'cancelled', usersScanned: 0 });
    expect(await asSystem(bellhop.db, (tx) => getAudit(tx, second.auditId))).toBeNull();
    const said = await asSystem(bellhop.db, (tx) =>
      openAudit(tx, { id: 'third', mode: 'users', workflowId: 'x' }),
    );
    expect(said).toMatchObject({ kind: 'running', audit: { id: running.auditId } });
    await running.handle.cancel();
    expect(await running.handle.result()).toMatchObject({ status: 'cancelled' });
    await bellhop.sandbox.releaseBarrier(barrier);
    expect((await asSystem(bellhop.db, (tx) => getAudit(tx, running.auditId)))?.status).toBe('cancelled');
  }, 180_000);
});

test('an audit that is cancelled before it has begun leaves no row that claims to run', async () => {
  await bellhop.stopWorker();
  const { auditId, handle } = await begin();
  await asSystem(bellhop.db, (tx) =>
    openAudit(tx, { id: auditId, mode: 'users', workflowId: handle.workflowId }),
  );
  await handle.cancel();
  await bellhop.startWorker();
  expect(await handle.result()).toMatchObject({ status: 'cancelled' });
  expect((await asSystem(bellhop.db, (tx) => getAudit(tx, auditId)))?.status).toBe('cancelled');
}, 180_000);
