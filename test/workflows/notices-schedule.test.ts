/**
 * Four days of attempts, a hundred thousand times as fast: nothing is lost while a receiver is down for three, and what is
 * given up can be taken up again. Waits are judged by the workflow's own history.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { recordDelivery } from '../../db/notices.ts';
import { forUser } from '../../db/scope.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createNotices } from '../setup/notices.ts';
import { type Receiver, startReceiver } from '../setup/receiver.ts';
import { until } from '../setup/until.ts';

const SCALE = 1e-5;
const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const DAY = 24 * HOUR;
/** Standard Webhooks, after the first attempt. */
const WAITS = [5 * SECOND, 300 * SECOND, 1_800 * SECOND, ...[2, 5, 10, 14, 20, 24].map((h) => h * HOUR)];

let bellhop: TestBellhop;
let receiver: Receiver;
let notices: ReturnType<typeof createNotices>;
beforeAll(async () => {
  receiver = await startReceiver();
  const webhook = { url: receiver.url, secret: 'a secret of the integrator' };
  bellhop = await startTestBellhop({ settings: { webhook, noticeWaitScale: SCALE } });
  notices = createNotices(bellhop);
});
afterAll(async () => {
  await bellhop.close();
  await receiver.close();
});
beforeEach(() => receiver.always({ status: 200 }));

const newUser = async (): Promise<string> => {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  return userId;
};
const idsOf = (userId: string) => new Set(receiver.of(userId).map(({ headers }) => headers['webhook-id']));

test('a receiver that is down for three days gets every notice, each under one id', async () => {
  receiver.always({ status: 503 });
  const up = performance.now() + 3 * DAY * SCALE;
  const users = await Promise.all(Array.from({ length: 5 }, newUser));
  const ids = await Promise.all(users.map((userId) => notices.notify(userId)));
  await new Promise((resolve) => setTimeout(resolve, up - performance.now()));
  receiver.always({ status: 200 });
  expect(await Promise.all(ids.map((id) => notices.resultOf(id)))).toEqual(
    users.map(() => ({ status: 'delivered' })),
  );
  for (const [i, userId] of users.entries()) {
    expect(idsOf(userId)).toEqual(new Set([ids[i]]));
    expect(receiver.of(userId).at(-1)?.answered).toBe(200);
    expect(receiver.of(userId).filter(({ answered }) => answered === 200)).toHaveLength(1);
    expect(await notices.deliveryOf(userId, ids[i] ?? '')).toMatchObject({
      status: 'delivered',
      attempts: receiver.of(userId).length,
    });
  }
});

test('ten attempts are made, each after its wait of the standard and up to a fifth more, not all the same', async () => {
  receiver.always({ status: 500 });
  const users = [await newUser(), await newUser()];
  const shares: number[] = [];
  for (const userId of users) {
    const id = await notices.notify(userId);
    expect(await notices.resultOf(id)).toEqual({ status: 'failed' });
    expect(receiver.of(userId)).toHaveLength(10);
    expect(idsOf(userId)).toEqual(new Set([id]));
    const waits = await notices.waitsOf(id);
    expect(waits).toHaveLength(WAITS.length);
    for (const [i, wait] of WAITS.entries()) {
      const share = (waits[i] ?? 0) / (wait * SCALE);
      // The server counts whole milliseconds; the first two waits are less than one here.
      if (wait * SCALE < 10) continue;
      expect(share).toBeGreaterThanOrEqual(0.99);
      expect(share).toBeLessThanOrEqual(1.21);
      shares.push(share);
    }
    expect(await notices.deliveryOf(userId, id)).toMatchObject({
      status: 'failed',
      attempts: 10,
      lastStatus: 500,
      lastError: 'HTTP 500',
    });
  }
  expect(Math.max(...shares) - Math.min(...shares)).toBeGreaterThan(0.02);
});

describe('Retry-After', () => {
  test('longer than the schedule’s wait is kept to, to the letter', async () => {
    const userId = await newUser();
    receiver.answer(userId, { status: 429, headers: { 'retry-after': '14400' } });
    const id = await notices.notify(userId);
    expect(await notices.resultOf(id)).toEqual({ status: 'delivered' });
    expect(await notices.waitsOf(id)).toEqual([4 * HOUR * SCALE]);
  });

  test('shorter than the schedule’s wait does not make it shorter', async () => {
    const userId = await newUser();
    const failing = { status: 503, headers: { 'retry-after': '1' } };
    receiver.answer(userId, ...Array.from({ length: 4 }, () => failing));
    const id = await notices.notify(userId);
    expect(await notices.resultOf(id)).toEqual({ status: 'delivered' });
    expect((await notices.waitsOf(id))[3]).toBeGreaterThanOrEqual(2 * HOUR * SCALE);
  });
});

describe('a delivery that was given up', () => {
  test('is not sent again by a mere start', async () => {
    receiver.always({ status: 500 });
    const userId = await newUser();
    const id = await notices.notify(userId);
    expect(await notices.resultOf(id)).toEqual({ status: 'failed' });
    receiver.always({ status: 200 });
    await notices.start(userId, id);
    expect(await notices.resultOf(id)).toEqual({ status: 'failed' });
    expect(receiver.of(userId)).toHaveLength(10);
  });

  test('is sent when an operator asks, under the same id, and by the whole schedule again', async () => {
    receiver.always({ status: 500 });
    const userId = await newUser();
    const id = await notices.notify(userId);
    expect(await notices.resultOf(id)).toEqual({ status: 'failed' });
    receiver.answer(userId, ...Array.from({ length: 4 }, () => ({ status: 500 })));
    receiver.always({ status: 200 });
    await notices.urge(userId, id);
    expect(await notices.resultOf(id)).toEqual({ status: 'delivered' });
    expect(receiver.of(userId)).toHaveLength(15);
    expect(idsOf(userId)).toEqual(new Set([id]));
  });
});

test('an operator’s word during the last attempt is not lost with the end of the workflow', async () => {
  const userId = await newUser();
  const slow = { status: 500, delayMs: 1_500 };
  receiver.answer(userId, ...Array.from({ length: 9 }, () => ({ status: 500 })), slow);
  const id = await notices.notify(userId);
  await until('the tenth attempt', async () => receiver.of(userId).length === 10, 60_000);
  await notices.urge(userId, id);
  expect(await notices.resultOf(id)).toEqual({ status: 'delivered' });
  expect(receiver.of(userId)).toHaveLength(11);
  expect(await notices.deliveryOf(userId, id)).toMatchObject({ status: 'delivered', attempts: 11 });
});

test('one that was recorded as delivered by a worker that then died is not sent again', async () => {
  const userId = await newUser();
  const id = await notices.write(userId);
  const record = { status: 'delivered', httpStatus: 200, error: null } as const;
  await forUser(bellhop.db, userId, (tx) => recordDelivery(tx, id, record));
  await notices.start(userId, id);
  expect(await notices.resultOf(id)).toEqual({ status: 'delivered' });
  expect(receiver.of(userId)).toEqual([]);
});
