/** Flows, attempts, waiters and episodes: one open flow per user and app, one acceptance, one telling. */
import { describe, expect, test } from 'vitest';
import { acceptAttempt, acceptAttemptOnce } from '../../db/accept-attempt.ts';
import {
  getAttempt,
  listUncleanAttempts,
  markAccountCleaned,
  moveAttempt,
  noteActiveSeen,
  openAttempt,
  setAttemptAccount,
  supersedeAccounts,
} from '../../db/attempts.ts';
import { listStoredConnections, loadAccountKnowledge, recordConnections } from '../../db/connections.ts';
import { closeEpisodes, listOpenEpisodes, openEpisode } from '../../db/episodes.ts';
import { endFlow, getFlow, getFlowByToken, listOverdueFlows, openFlow } from '../../db/flows.ts';
import { sha256 } from '../../db/ids.ts';
import { addWaiter, listMissedWakes, listWaiting, listWaitingRuns, settleWaiters } from '../../db/waiters.ts';
import type { ConnectedAccount } from '../../domain/gate.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();

/** A click on a link of this user's flow, whose account is known. */
async function click(userId: string, accountId: string, app = 'slack') {
  const flow = await the().newFlow(userId, app);
  const { attempt } = await the().user(userId, (tx) => openAttempt(tx, flow));
  await the().user(userId, (tx) => setAttemptAccount(tx, attempt.id, accountId));
  return { flow, attempt: { ...attempt, accountId } };
}
const accept = ({ attempt }: Awaited<ReturnType<typeof click>>) =>
  acceptAttemptOnce(the().db, attempt, 'callback');
const statusOf = async (userId: string, attemptId: string) =>
  (await the().user(userId, (tx) => getAttempt(tx, attemptId)))?.status;

describe('a flow', () => {
  test('is one per user and app, however many ask at once, and exactly one of them opened it', async () => {
    const userId = await the().newUser();
    const flow = {
      userId,
      app: 'slack',
      appName: 'Slack',
      reconnect: false,
      returnUrl: null,
      timeoutMs: 1_000,
    };
    const opened = await Promise.all(
      Array.from({ length: 12 }, () => the().user(userId, (tx) => openFlow(tx, flow))),
    );
    expect(new Set(opened.map((o) => o.flow.id)).size).toBe(1);
    expect(new Set(opened.map((o) => o.flow.token)).size).toBe(1);
    expect(opened.filter((o) => o.isNew)).toHaveLength(1);
  });

  test('of another app or another user is another one', async () => {
    const [a, b] = [await the().newUser(), await the().newUser()];
    const flows = [await the().newFlow(a), await the().newFlow(a, 'gmail'), await the().newFlow(b)];
    expect(new Set(flows.map((flow) => flow.id)).size).toBe(3);
  });

  test('lives as long as the longest wait, and only gains by a second call', async () => {
    const userId = await the().newUser();
    const first = await the().newFlow(userId, 'slack', {
      timeoutMs: 3_600_000,
      reconnect: true,
      returnUrl: 'https://a.test/',
    });
    const second = await the().newFlow(userId, 'slack', { timeoutMs: 1_000, returnUrl: 'https://b.test/' });
    expect(second).toMatchObject({
      id: first.id,
      reconnect: true,
      returnUrl: 'https://a.test/',
      expiresAt: first.expiresAt,
    });
    const third = await the().newFlow(userId, 'slack', { timeoutMs: 7_200_000 });
    expect(third.expiresAt.getTime()).toBeGreaterThan(first.expiresAt.getTime() + 3_000_000);
  });

  test('does NOT expire when its life was lengthened since the caller looked', async () => {
    const userId = await the().newUser();
    const flow = await the().newFlow(userId);
    const expire = () => the().user(userId, (tx) => endFlow(tx, flow.id, 'expired', 'nobody_connected'));
    expect(await expire()).toBe(false);
    await the().raw(`update connection_flows set expires_at = now() - interval '1 second' where id = $1`, [
      flow.id,
    ]);
    expect(await expire()).toBe(true);
    expect(await expire()).toBe(false);
  });

  test('after its end makes room for a new one, with a new link', async () => {
    const userId = await the().newUser();
    const first = await the().newFlow(userId);
    expect(await the().user(userId, (tx) => endFlow(tx, first.id, 'cancelled', 'asked'))).toBe(true);
    const second = await the().newFlow(userId);
    expect(second.id).not.toBe(first.id);
    expect(second.token).not.toBe(first.token);
    expect((await the().system((tx) => getFlowByToken(tx, first.token)))?.status).toBe('cancelled');
  });

  test('is overdue a minute after its time, while it is open', async () => {
    const userId = await the().newUser();
    const flows = [
      await the().newFlow(userId, 'a'),
      await the().newFlow(userId, 'b'),
      await the().newFlow(userId, 'c'),
    ];
    const [late, ended] = flows;
    for (const flow of [late, ended]) {
      await the().raw(`update connection_flows set expires_at = now() - interval '2 minutes' where id = $1`, [
        flow?.id,
      ]);
    }
    await the().user(userId, (tx) => endFlow(tx, ended?.id ?? '', 'expired', 'x'));
    const overdue = await the().system((tx) => listOverdueFlows(tx, 99));
    expect(overdue.filter((flow) => flow.userId === userId).map((flow) => flow.id)).toEqual([late?.id]);
  });
});

describe('an attempt', () => {
  test('keeps digests of its secrets, never the secrets', async () => {
    const userId = await the().newUser();
    const flow = await the().newFlow(userId);
    const { attempt, state, cookie } = await the().user(userId, (tx) => openAttempt(tx, flow));
    expect(attempt.stateHash.equals(sha256(state))).toBe(true);
    expect(attempt.cookieHash.equals(sha256(cookie))).toBe(true);
    const [row] = await the().raw<{ t: string }>(
      `select row_to_json(a)::text as t from connection_attempts a where id = $1`,
      [attempt.id],
    );
    expect(row?.t).not.toContain(state);
    expect(row?.t).not.toContain(cookie);
  });

  test('is accepted once: of eight at once exactly one accepts, and everything is written', async () => {
    const userId = await the().newUser();
    const clicked = await click(userId, 'ca_once');
    const other = await click(userId, 'ca_other');
    await the().user(userId, (tx) =>
      openEpisode(tx, { userId, app: 'slack', accountId: 'x', status: 'EXPIRED' }),
    );
    const accepted = await Promise.all(Array.from({ length: 8 }, () => accept(clicked)));
    expect(accepted.filter(Boolean)).toHaveLength(1);
    expect(await the().user(userId, (tx) => getFlow(tx, clicked.flow.id))).toMatchObject({
      status: 'completed',
      accountId: 'ca_once',
    });
    expect([await statusOf(userId, clicked.attempt.id), await statusOf(userId, other.attempt.id)]).toEqual([
      'accepted',
      'superseded',
    ]);
    expect(await the().system((tx) => listOpenEpisodes(tx, [userId]))).toEqual([]);
    expect(await the().user(userId, (tx) => listStoredConnections(tx, userId))).toMatchObject([
      { accountId: 'ca_once', status: 'ACTIVE', flowId: clicked.flow.id },
    ]);
  });

  test('of two of one flow at once only one is accepted, and the other’s account never acts', async () => {
    const userId = await the().newUser();
    const [one, two] = [await click(userId, 'ca_1'), await click(userId, 'ca_2')];
    const results = await Promise.allSettled([accept(one), accept(two)]);
    expect(results.filter((r) => r.status === 'fulfilled' && r.value)).toHaveLength(1);
    const flow = await the().user(userId, (tx) => getFlow(tx, one.flow.id));
    const loser = flow?.accountId === 'ca_1' ? 'ca_2' : 'ca_1';
    const knowledge = await the().user(userId, (tx) => loadAccountKnowledge(tx, userId, ['slack']));
    expect([...knowledge('slack').unaccepted]).toEqual([loser]);
    expect(knowledge('slack').lastVerified).toBe(flow?.accountId);
  });

  test('that has ended is not accepted, and the flow stays open', async () => {
    const userId = await the().newUser();
    const clicked = await click(userId, 'ca_late');
    await the().user(userId, (tx) =>
      moveAttempt(tx, clicked.attempt.id, { from: ['open'], to: 'failed', reason: 'denied' }),
    );
    expect(await accept(clicked)).toBeNull();
    expect(await the().user(userId, (tx) => acceptAttempt(tx, clicked.attempt, 'callback'))).toBeNull();
    expect((await the().user(userId, (tx) => getFlow(tx, clicked.flow.id)))?.status).toBe('open');
    expect(await the().user(userId, (tx) => listStoredConnections(tx, userId))).toEqual([]);
  });

  test('without an account is not accepted', async () => {
    const userId = await the().newUser();
    const flow = await the().newFlow(userId);
    const { attempt } = await the().user(userId, (tx) => openAttempt(tx, flow));
    expect(await the().user(userId, (tx) => acceptAttempt(tx, attempt, 'poll'))).toBeNull();
  });

  test('moves by compare-and-set: of ten uses of its state one goes through', async () => {
    const userId = await the().newUser();
    const { attempt } = await click(userId, 'ca_cas');
    const moved = await Promise.all(
      Array.from({ length: 10 }, () =>
        the().user(userId, (tx) => moveAttempt(tx, attempt.id, { from: ['open'], to: 'verified' })),
      ),
    );
    expect(moved.filter(Boolean)).toHaveLength(1);
  });

  test('remembers when it was first seen ACTIVE', async () => {
    const userId = await the().newUser();
    const { attempt } = await click(userId, 'ca_seen');
    const look = () => the().user(userId, (tx) => noteActiveSeen(tx, attempt.id));
    expect(await look()).toBe(0);
    await the().raw(
      `update connection_attempts set active_seen_at = now() - interval '5 seconds' where id = $1`,
      [attempt.id],
    );
    expect(await look()).toBeGreaterThanOrEqual(5_000);
  });
});

describe('a completed flow', () => {
  test('supersedes the older accounts that flows opened, not those made elsewhere and not a newer one', async () => {
    const userId = await the().newUser();
    const [first, second] = [await click(userId, 'ca_first'), null];
    await accept(first);
    const later = second ?? (await click(userId, 'ca_second'));
    await accept(later);
    const gmail = await click(userId, 'ca_gmail', 'gmail');
    await accept(gmail);
    const supersede = (flowId: string, keep: string) =>
      the().user(userId, (tx) => supersedeAccounts(tx, { userId, app: 'slack', flowId, keep }));
    const doomed = async () =>
      (
        await the().user(userId, (tx) => listUncleanAttempts(tx, { of: { userId, app: 'slack' }, limit: 9 }))
      ).map((a) => a.accountId);
    // The first flow's end is repeated late: the newer account stays.
    await supersede(first.flow.id, 'ca_first');
    expect(await doomed()).toEqual([]);
    await supersede(later.flow.id, 'ca_second');
    expect(await doomed()).toEqual(['ca_first']);
    expect(await statusOf(userId, gmail.attempt.id)).toBe('accepted');
    await the().user(userId, (tx) => markAccountCleaned(tx, userId, 'ca_first'));
    expect(await doomed()).toEqual([]);
  });
});

describe('an unclean account', () => {
  test('that cannot be deleted does not keep the others out of every page', async () => {
    const userId = await the().newUser();
    for (let i = 0; i < 6; i += 1) {
      const { attempt } = await click(userId, `ca_dirty_${i}`);
      await the().user(userId, (tx) => moveAttempt(tx, attempt.id, { from: ['open'], to: 'failed' }));
    }
    const seen = new Set<string>();
    for (let pass = 0; pass < 60; pass += 1) {
      const page = await the().system((tx) => listUncleanAttempts(tx, { limit: 2 }));
      for (const { accountId } of page) seen.add(accountId);
    }
    expect([...seen].filter((id) => id.startsWith('ca_dirty_'))).toHaveLength(6);
  });
});

describe('a waiter', () => {
  const waiter = (userId: string, runId: string, flowId: string) =>
    ({ userId, runId, flowId, app: 'slack', reason: 'missing', state: 'waiting' }) as const;

  test('waits on one flow per app: the newest', async () => {
    const userId = await the().newUser();
    const run = await the().newRun(userId);
    const first = await the().newFlow(userId);
    await the().user(userId, (tx) => addWaiter(tx, waiter(userId, run.id, first.id)));
    await the().user(userId, (tx) => endFlow(tx, first.id, 'cancelled', 'x'));
    const second = await the().newFlow(userId);
    await the().user(userId, (tx) => addWaiter(tx, waiter(userId, run.id, second.id)));
    expect((await the().user(userId, (tx) => listWaiting(tx, run.id))).map((w) => w.flowId)).toEqual([
      second.id,
    ]);
    expect(await the().user(userId, (tx) => listWaitingRuns(tx, first.id))).toEqual([]);
    await the().raw(`update connection_flows set ended_at = now() - interval '1 hour' where id = $1`, [
      first.id,
    ]);
    const missed = await the().system((tx) => listMissedWakes(tx, 99));
    expect(missed.filter((m) => m.runId === run.id)).toEqual([]);
  });

  test('of a flow that ended without waking it is found a while later, until it is settled', async () => {
    const userId = await the().newUser();
    const run = await the().newRun(userId);
    const flow = await the().newFlow(userId);
    await the().user(userId, (tx) => addWaiter(tx, waiter(userId, run.id, flow.id)));
    const missed = async () =>
      (await the().system((tx) => listMissedWakes(tx, 99))).filter((m) => m.runId === run.id);
    expect(await missed()).toEqual([]);
    await the().user(userId, (tx) => endFlow(tx, flow.id, 'cancelled', 'x'));
    expect(await missed()).toEqual([]);
    await the().raw(`update connection_flows set ended_at = now() - interval '20 seconds' where id = $1`, [
      flow.id,
    ]);
    expect(await missed()).toEqual([{ runId: run.id, app: 'slack' }]);
    expect(await the().user(userId, (tx) => settleWaiters(tx, run.id, ['gmail']))).toEqual([]);
    expect(await the().user(userId, (tx) => settleWaiters(tx, run.id, ['slack']))).toEqual(['slack']);
    expect(await missed()).toEqual([]);
  });
});

describe('an episode', () => {
  const broken = (userId: string) =>
    ({ userId, app: 'slack', accountId: 'ca_1', status: 'EXPIRED' }) as const;

  test('is opened by one of ten who see the break at once, and again after it was closed', async () => {
    const userId = await the().newUser();
    const open = () => the().user(userId, (tx) => openEpisode(tx, broken(userId)));
    const opened = await Promise.all(Array.from({ length: 10 }, open));
    expect(opened.filter((id) => id !== null)).toHaveLength(1);
    await the().user(userId, (tx) => closeEpisodes(tx, userId, ['gmail']));
    expect(await open()).toBeNull();
    await the().user(userId, (tx) => closeEpisodes(tx, userId, ['slack']));
    expect(await open()).not.toBeNull();
  });

  test('of an account that was refused although it is ACTIVE stays open while another account is asked for', async () => {
    const userId = await the().newUser();
    await the().user(userId, (tx) => openEpisode(tx, { ...broken(userId), status: 'REVOKED' }));
    const flow = await the().newFlow(userId, 'slack', { refusedAccountId: 'ca_1' });
    const close = () => the().user(userId, (tx) => closeEpisodes(tx, userId, ['slack']));
    await close();
    expect(await the().system((tx) => listOpenEpisodes(tx, [userId]))).toHaveLength(1);
    await the().user(userId, (tx) => endFlow(tx, flow.id, 'cancelled', 'x'));
    await close();
    expect(await the().system((tx) => listOpenEpisodes(tx, [userId]))).toEqual([]);
  });
});

describe('what Composio showed', () => {
  const shown = (id: string, changes: Partial<ConnectedAccount> = {}): ConnectedAccount => ({
    id,
    entityId: 'x',
    app: 'slack',
    authConfigId: null,
    status: 'ACTIVE',
    statusReason: null,
    disabled: false,
    createdAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-01-01T00:00:00.000Z',
    ...changes,
  });
  test('is recorded also when a changing list showed an account twice, the last look counts', async () => {
    const userId = await the().newUser();
    const twice = [shown('a'), shown('b'), shown('a', { status: 'EXPIRED', statusReason: 'gone\0' })];
    await the().user(userId, (tx) => recordConnections(tx, userId, twice));
    const stored = await the().user(userId, (tx) => listStoredConnections(tx, userId));
    expect(stored.map((c) => [c.accountId, c.status, c.statusReason])).toEqual([
      ['a', 'EXPIRED', 'gone\uFFFD'],
      ['b', 'ACTIVE', null],
    ]);
  });
  test('keeps when an account was first seen ACTIVE', async () => {
    const userId = await the().newUser();
    const at = async () =>
      (await the().user(userId, (tx) => listStoredConnections(tx, userId)))[0]?.connectedAt;
    const record = (status: ConnectedAccount['status']) =>
      the().user(userId, (tx) => recordConnections(tx, userId, [shown('a', { status })]));
    await record('INITIATED');
    expect(await at()).toBeNull();
    await record('ACTIVE');
    const first = await at();
    expect(first).toBeInstanceOf(Date);
    await record('EXPIRED');
    await record('ACTIVE');
    expect(await at()).toEqual(first);
  });
});
