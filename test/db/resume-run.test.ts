/** When a run that waited for connections goes on by what the rows say, and when Composio must be asked. */
import { describe, expect, test } from 'vitest';
import { acceptAttempt } from '../../db/accept-attempt.ts';
import { openAttempt, setAttemptAccount } from '../../db/attempts.ts';
import { noteRefusedAccount, recordConnections } from '../../db/connections.ts';
import { listEvents } from '../../db/events.ts';
import { completeFlow, endFlow, type Flow } from '../../db/flows.ts';
import { type ResumedRun, resumeRunAtOnce } from '../../db/resume-run.ts';
import { admitRun } from '../../db/run-queue.ts';
import { finishRun, getRun, markRunStarted, requestCancel } from '../../db/runs.ts';
import { forUserInTurn } from '../../db/scope.ts';
import { listWaiting } from '../../db/waiters.ts';
import { DEFAULT_LIMITS } from '../../domain/limits.ts';
import { type ParkedRun, useDatabase } from './harness.ts';

const the = useDatabase();
const MANY = 50;

const park = async (apps?: readonly string[], of?: string): Promise<ParkedRun> =>
  the().parkRun(of ?? (await the().newUser()), apps);

const flowOf = ({ flows }: ParkedRun, app = 'slack'): Flow => {
  const flow = flows.get(app);
  if (!flow) throw new Error(`no flow for ${app}`);
  return flow;
};
const accountId = (parked: ParkedRun, app = 'slack'): string => `ca_${app}_${parked.userId}`;
/** As a callback does it, after it has read the account back. */
async function connect(parked: ParkedRun, app = 'slack'): Promise<void> {
  const done = await the().user(parked.userId, async (tx) => {
    const { attempt } = await openAttempt(tx, flowOf(parked, app));
    await setAttemptAccount(tx, attempt.id, accountId(parked, app));
    return acceptAttempt(tx, { ...attempt, accountId: accountId(parked, app) }, 'poll');
  });
  expect(done).not.toBeNull();
}
const resume = (
  { userId, runId }: Pick<ParkedRun, 'userId' | 'runId'>,
  userRuns = MANY,
): Promise<ResumedRun | null> =>
  forUserInTurn(the().db, userId, 'admit', resumeRunAtOnce({ runId, userId, userRuns }));
const statusOf = async ({ userId, runId }: ParkedRun): Promise<string | undefined> =>
  (await the().user(userId, (tx) => getRun(tx, runId)))?.status;
const eventsOf = async ({ userId, runId }: ParkedRun): Promise<unknown> =>
  (await the().user(userId, (tx) => listEvents(tx, runId, { after: 0, limit: 10 }))).map(
    ({ seq, type, data }) => [seq, type, data],
  );

describe('a run goes on by its rows', () => {
  test('when the app that it waits for was connected: running, admitted, told, and waiting for nothing', async () => {
    const parked = await park();
    expect(await resume(parked)).toBeNull();
    expect(await eventsOf(parked)).toEqual([]);
    await connect(parked);
    expect(await resume(parked)).toEqual({
      isAdmitted: true,
      connectTimeoutMs: 60_000,
      limits: DEFAULT_LIMITS,
    });
    expect(await the().user(parked.userId, (tx) => getRun(tx, parked.runId))).toMatchObject({
      status: 'running',
      admittedAt: expect.any(Date) as Date,
    });
    expect(await the().user(parked.userId, (tx) => listWaiting(tx, parked.runId))).toEqual([]);
    expect(await eventsOf(parked)).toEqual([[1, 'connection.completed', { app: 'slack' }]]);
    // Once: a second wake finds a run at work.
    expect(await resume(parked)).toBeNull();
    expect(await eventsOf(parked)).toHaveLength(1);
  });

  test('when the last of several was connected, if all of them were lately', async () => {
    const parked = await park(['gmail', 'slack']);
    await connect(parked, 'slack');
    expect(await resume(parked)).toBeNull();
    expect(await the().user(parked.userId, (tx) => listWaiting(tx, parked.runId))).toHaveLength(2);
    await connect(parked, 'gmail');
    expect(await resume(parked)).not.toBeNull();
    expect(await eventsOf(parked)).toEqual([
      [1, 'connection.completed', { app: 'gmail' }],
      [2, 'connection.completed', { app: 'slack' }],
    ]);
  });

  test('behind those of its user who are at work, and keeps a place that it has', async () => {
    const first = await park();
    const second = await park(['slack'], first.userId);
    const third = await park(['slack'], first.userId);
    await connect(first);
    await the().user(third.userId, (tx) => admitRun(tx, { id: third.runId, userId: third.userId }, MANY));
    expect(await resume(first, 1)).toMatchObject({ isAdmitted: true });
    expect(await resume(second, 1)).toMatchObject({ isAdmitted: false });
    expect(await resume(third, 1)).toMatchObject({ isAdmitted: true });
    const inLine = await the().raw('select id from runs where queued_at is not null');
    expect(inLine).toEqual([{ id: second.runId }]);
  });
});

describe('Composio is asked', () => {
  test.each<[string, (parked: ParkedRun) => Promise<unknown>]>([
    [
      'when the connection is older than some minutes',
      ({ userId }) =>
        the().raw(`update connection_flows set ended_at = now() - interval '6 minutes' where user_id = $1`, [
          userId,
        ]),
    ],
    [
      'when the account was refused since',
      (parked) =>
        the().user(parked.userId, (tx) =>
          noteRefusedAccount(tx, { userId: parked.userId, accountId: accountId(parked), app: 'slack' }),
        ),
    ],
    [
      'when the account was seen broken since',
      (parked) =>
        the().user(parked.userId, (tx) =>
          recordConnections(tx, parked.userId, [
            {
              id: accountId(parked),
              entityId: parked.userId,
              app: 'slack',
              authConfigId: null,
              status: 'EXPIRED',
              statusReason: null,
              disabled: false,
              createdAt: '2026-01-01T00:00:00.000Z',
              updatedAt: '2026-01-01T00:00:00.000Z',
            },
          ]),
        ),
    ],
    [
      'when the account is switched off',
      ({ userId }) => the().raw('update connections set disabled = true where user_id = $1', [userId]),
    ],
    [
      'when the account is gone',
      ({ userId }) => the().raw('delete from connections where user_id = $1', [userId]),
    ],
    ['when somebody connects the app anew', ({ userId }) => the().newFlow(userId)],
    [
      'when it needs an app that it never waited for',
      ({ userId, runId }) => the().user(userId, (tx) => markRunStarted(tx, runId, ['github', 'slack'])),
    ],
    [
      'when its end was asked for',
      ({ userId, runId }) => the().user(userId, (tx) => requestCancel(tx, runId)),
    ],
    [
      'when it has ended',
      ({ userId, runId }) => the().user(userId, (tx) => finishRun(tx, runId, { status: 'cancelled' })),
    ],
  ])('%s', async (_when, happen) => {
    const parked = await park();
    await connect(parked);
    await happen(parked);
    const before = await statusOf(parked);
    expect(await resume(parked)).toBeNull();
    expect(await statusOf(parked)).toBe(before);
    expect(await eventsOf(parked)).toEqual([]);
  });

  test('when the flow ended without an account', async () => {
    const parked = await park();
    await the().user(parked.userId, (tx) => endFlow(tx, flowOf(parked).id, 'cancelled', 'x'));
    expect(await resume(parked)).toBeNull();
    expect(await statusOf(parked)).toBe('waiting_for_connection');
  });

  test('and nobody else’s connection or name helps', async () => {
    const [mine, theirs] = [await park(), await park()];
    await connect(theirs);
    expect(await resume(mine)).toBeNull();
    expect(await resume({ userId: theirs.userId, runId: mine.runId })).toBeNull();
    expect(await resume({ userId: mine.userId, runId: theirs.runId })).toBeNull();
    await the().user(mine.userId, (tx) => completeFlow(tx, flowOf(mine), accountId(mine)));
    expect(await resume(mine)).not.toBeNull();
    expect(await statusOf(theirs)).toBe('waiting_for_connection');
  });
});
