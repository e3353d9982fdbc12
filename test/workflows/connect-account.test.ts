/** Connection flows with a real worker, through the sandbox's consent page. The callback is lost unless a test makes it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listOpenEpisodes } from '../../db/episodes.ts';
import type { Flow } from '../../db/flows.ts';
import { asSystem } from '../../db/scope.ts';
import { listWaiting } from '../../db/waiters.ts';
import { flowWorkflowId } from '../../workflows/messages.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createConnect } from '../setup/connect.ts';
import { until } from '../setup/until.ts';

let bellhop: TestBellhop;
let connect: ReturnType<typeof createConnect>;
beforeAll(async () => {
  bellhop = await startTestBellhop();
  connect = createConnect(bellhop);
});
afterAll(() => bellhop.close());

const newUser = async (): Promise<string> => {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  return userId;
};
const resultOf = (flow: Flow): Promise<unknown> =>
  bellhop.client.workflow.getHandle(flowWorkflowId(flow.id)).result();
const approve = async (flow: Flow) => {
  const click = await connect.click(flow);
  await bellhop.sandbox.consent(click.redirectUrl, 'approve');
  return click;
};
/** Longer than several polls: long enough for what must not happen to happen. */
const aWhile = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 900));

describe('a consent whose callback is lost', () => {
  test('is found by polling and accepted, but only after ACTIVE was seen for the grace', async () => {
    const userId = await newUser();
    const flow = await connect.open(userId);
    const click = await connect.click(flow);
    await aWhile();
    expect(await connect.attemptOf(click)).toMatchObject({ status: 'open', activeSeenAt: null });
    await bellhop.sandbox.consent(click.redirectUrl, 'approve');
    const completed = await connect.untilFlow(flow, 'completed');
    expect(completed.accountId).toBe(click.accountId);
    const attempt = await connect.attemptOf(click);
    expect(attempt).toMatchObject({ status: 'accepted', acceptedBy: 'poll' });
    const graceMs = (completed.endedAt?.getTime() ?? 0) - (attempt.activeSeenAt?.getTime() ?? Infinity);
    expect(graceMs).toBeGreaterThanOrEqual(bellhop.settings.callbackGraceMs);
    expect(await resultOf(flow)).toEqual({ status: 'completed' });
  });

  test('is accepted too when the account becomes ACTIVE a while after the consent', async () => {
    const userId = await newUser();
    await bellhop.sandbox.updateSettings({ activeDelayMs: 800 });
    try {
      const flow = await connect.open(userId);
      const click = await approve(flow);
      expect((await connect.untilFlow(flow, 'completed')).accountId).toBe(click.accountId);
    } finally {
      await bellhop.sandbox.updateSettings({ activeDelayMs: 0 });
    }
  });
});

describe('a flow', () => {
  test('whose consent is denied stays open; the refused account is deleted, and another click completes it', async () => {
    const userId = await newUser();
    const flow = await connect.open(userId);
    const refused = await connect.click(flow);
    await bellhop.sandbox.consent(refused.redirectUrl, 'deny');
    expect(await connect.untilAttempt(refused, 'failed')).toMatchObject({ reason: 'denied' });
    await until(
      'the refused account to be deleted',
      async () => (await connect.accounts(userId)).length === 0,
    );
    expect((await connect.flowOf(flow)).status).toBe('open');
    const click = await approve(flow);
    expect((await connect.untilFlow(flow, 'completed')).accountId).toBe(click.accountId);
  });

  test('whose link has run out expires the attempt, deletes its account and lives on', async () => {
    const userId = await newUser();
    await bellhop.sandbox.updateSettings({ unfinishedBecomes: 'EXPIRED' });
    try {
      const flow = await connect.open(userId);
      const click = await connect.click(flow);
      expect(await bellhop.sandbox.expireLink(click.accountId)).toBe(1);
      expect(await connect.untilAttempt(click, 'failed')).toMatchObject({ reason: 'expired' });
      await until('the account to be deleted', async () => (await connect.accounts(userId)).length === 0);
      expect((await connect.flowOf(flow)).status).toBe('open');
      expect(await asSystem(bellhop.db, (tx) => listOpenEpisodes(tx, [userId]))).toEqual([]);
    } finally {
      await bellhop.sandbox.updateSettings({ unfinishedBecomes: 'INITIATED' });
    }
  });

  test('that nobody completes in time expires, ends its attempts and deletes their accounts', async () => {
    const userId = await newUser();
    const flow = await connect.open(userId, { timeoutMs: 5_000 });
    const click = await connect.click(flow);
    expect(await connect.untilFlow(flow, 'expired')).toMatchObject({
      reason: 'nobody_connected',
      accountId: null,
    });
    expect(await resultOf(flow)).toEqual({ status: 'expired' });
    expect((await connect.attemptOf(click)).status).toBe('superseded');
    expect(await connect.accounts(userId)).toEqual([]);
  });

  test('completes with an account made elsewhere, and the click on its own link never acts', async () => {
    const userId = await newUser();
    const flow = await connect.open(userId);
    const click = await connect.click(flow);
    const elsewhere = await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    expect((await connect.untilFlow(flow, 'completed')).accountId).toBe(elsewhere.id);
    await connect.untilAttempt(click, 'superseded');
    await until('the unused account to be deleted', async () => {
      const left = await connect.accounts(userId);
      return left.length === 1 && left[0] === elsewhere.id;
    });
  });

  test('is NOT completed by a signal, by another user’s account or by another app’s', async () => {
    const [userId, stranger] = [await newUser(), await newUser()];
    await bellhop.sandbox.seedAccounts([
      { userId: stranger, app: 'slack' },
      { userId, app: 'gmail' },
      { userId, app: 'slack', disabled: true },
    ]);
    const flow = await connect.open(userId);
    for (let i = 0; i < 3; i += 1) await connect.hint(flow);
    await aWhile();
    expect((await connect.flowOf(flow)).status).toBe('open');
  });

  test('of two clicks completes with the one that was consented to, and the other’s account is deleted', async () => {
    const userId = await newUser();
    const flow = await connect.open(userId);
    const [first, second] = [await connect.click(flow), await connect.click(flow)];
    await bellhop.sandbox.consent(first.redirectUrl, 'approve');
    expect((await connect.untilFlow(flow, 'completed')).accountId).toBe(first.accountId);
    await connect.untilAttempt(second, 'superseded');
    await until('the other account to go', async () => (await connect.accounts(userId)).length === 1);
    expect(await connect.accounts(userId)).toEqual([first.accountId]);
  });
});

describe('a second completed flow', () => {
  test('deletes the older account that our flow opened, but NOT one made elsewhere', async () => {
    const userId = await newUser();
    const elsewhere = await bellhop.sandbox.seedAccount({ userId, app: 'slack', status: 'EXPIRED' });
    const first = await connect.open(userId);
    const old = await approve(first);
    await connect.untilFlow(first, 'completed');
    const second = await connect.open(userId, { reconnect: true });
    const fresh = await connect.click(second);
    await bellhop.sandbox.consent(fresh.redirectUrl, 'approve');
    await connect.complete(second, fresh);
    await until(
      'the older account to be deleted',
      async () => !(await connect.accounts(userId)).includes(old.accountId),
    );
    expect(await connect.accounts(userId)).toEqual([elsewhere.id, fresh.accountId].toSorted());
    // The first flow's end is told once more, late: the newer account stays.
    await connect.hint(first);
    await resultOf(first);
    await aWhile();
    expect(await connect.accounts(userId)).toEqual([elsewhere.id, fresh.accountId].toSorted());
  });

  test('asked for as a reconnect is NOT completed by the old account, although that is ACTIVE', async () => {
    const userId = await newUser();
    const old = await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const flow = await connect.open(userId, { reconnect: true });
    await connect.hint(flow);
    await aWhile();
    expect((await connect.flowOf(flow)).status).toBe('open');
    const click = await approve(flow);
    expect((await connect.untilFlow(flow, 'completed')).accountId).toBe(click.accountId);
    expect(await connect.accounts(userId)).toContain(old.id);
  });
});

describe('one completion', () => {
  test('wakes all runs of the user that wait for the app, and no other user’s', async () => {
    const [userId, stranger] = [await newUser(), await newUser()];
    const send = { task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'] };
    const runs = await Promise.all([1, 2, 3].map(() => bellhop.start({ userId, ...send })));
    const foreign = await bellhop.start({ userId: stranger, ...send });
    for (const id of [...runs, foreign])
      await bellhop.until(id, (run) => run.status === 'waiting_for_connection');
    const waiting = await Promise.all(runs.map((id) => asSystem(bellhop.db, (tx) => listWaiting(tx, id))));
    expect(new Set(waiting.map(([first]) => first?.flowId)).size).toBe(1);
    const flow = await connect.open(userId);
    const click = await connect.click(flow);
    await bellhop.sandbox.consent(click.redirectUrl, 'approve');
    await connect.complete(flow, click);
    for (const id of runs) expect((await bellhop.ended(id)).status).toBe('completed');
    const effects = await bellhop.sandbox.journal({ userId });
    expect(effects.map((effect) => effect.accountId)).toEqual([
      click.accountId,
      click.accountId,
      click.accountId,
    ]);
    expect((await bellhop.run(foreign)).status).toBe('waiting_for_connection');
    await bellhop.client.workflow.getHandle(`run-${foreign}`).cancel();
  });

  test('for one of two missing apps leaves the run waiting for the other', async () => {
    const userId = await newUser();
    const tools = ['SLACK_SEND_MESSAGE', 'GMAIL_SEND_EMAIL'];
    const runId = await bellhop.start({ userId, task: 'Tell #general hello', tools });
    await bellhop.until(runId, (run) => run.status === 'waiting_for_connection');
    await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    await connect.hint(await connect.open(userId));
    await until('only gmail to be waited for', async () => {
      const apps = (await asSystem(bellhop.db, (tx) => listWaiting(tx, runId))).map((w) => w.app);
      return apps.length === 1 && apps[0] === 'gmail';
    });
    expect((await bellhop.run(runId)).status).toBe('waiting_for_connection');
    await bellhop.sandbox.seedAccount({ userId, app: 'gmail' });
    await connect.hint(await connect.open(userId, { app: 'gmail' }));
    expect((await bellhop.ended(runId)).status).toBe('completed');
  });
});
