/** A receiver that answers 410 is sent nothing more, until somebody says so. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { forgetGoneReceivers } from '../../db/gone-receivers.ts';
import { asSystem } from '../../db/scope.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createNotices } from '../setup/notices.ts';
import { type Receiver, startReceiver } from '../setup/receiver.ts';
import { until } from '../setup/until.ts';

let bellhop: TestBellhop;
let receiver: Receiver;
let notices: ReturnType<typeof createNotices>;
beforeAll(async () => {
  receiver = await startReceiver();
  const webhook = { url: receiver.url, secret: 'a secret of the integrator' };
  bellhop = await startTestBellhop({ settings: { webhook } });
  notices = createNotices(bellhop);
});
afterAll(async () => {
  await bellhop.close();
  await receiver.close();
});
beforeEach(async () => {
  receiver.always({ status: 200 });
  await asSystem(bellhop.db, forgetGoneReceivers);
});
const newUser = async (): Promise<string> => {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  return userId;
};

test('410 ends that delivery, those between two attempts and all further ones, unsent, until the receiver is tried again', async () => {
  const [first, waiting, further] = [await newUser(), await newUser(), await newUser()];
  receiver.answer(waiting, { status: 503, headers: { 'retry-after': '10' } });
  const waitingId = await notices.notify(waiting);
  await until('its first attempt', async () => receiver.of(waiting).length === 1);

  receiver.always({ status: 410 });
  const firstId = await notices.notify(first);
  expect(await notices.resultOf(firstId)).toEqual({ status: 'failed' });
  expect(await notices.deliveryOf(first, firstId)).toMatchObject({ attempts: 1, lastStatus: 410 });
  receiver.always({ status: 200 });

  const furtherId = await notices.notify(further);
  expect(await notices.resultOf(furtherId)).toEqual({ status: 'failed' });
  expect(await notices.deliveryOf(further, furtherId)).toMatchObject({
    status: 'failed',
    attempts: 0,
    lastStatus: null,
    lastError: 'the receiver is gone (it answered 410); a retry tries it again',
  });
  // Ten seconds after its first attempt.
  expect(await notices.resultOf(waitingId)).toEqual({ status: 'failed' });
  expect([first, waiting, further].map((userId) => receiver.of(userId).length)).toEqual([1, 1, 0]);

  await asSystem(bellhop.db, forgetGoneReceivers);
  for (const [userId, id] of [
    [first, firstId],
    [waiting, waitingId],
    [further, furtherId],
  ] as const) {
    await notices.urge(userId, id);
    expect(await notices.resultOf(id)).toEqual({ status: 'delivered' });
    expect(receiver.of(userId).at(-1)?.headers['webhook-id']).toBe(id);
  }
  expect([first, waiting, further].map((userId) => receiver.of(userId).length)).toEqual([2, 2, 1]);
});

test('another URL is another receiver', async () => {
  receiver.always({ status: 410 });
  const userId = await newUser();
  expect(await notices.resultOf(await notices.notify(userId))).toEqual({ status: 'failed' });
  receiver.always({ status: 200 });
  const other = await startTestBellhop({
    databaseUrl: bellhop.databaseUrl,
    settings: { webhook: { url: `${receiver.url}?v=2`, secret: 'a secret of the integrator' } },
  });
  try {
    const elsewhere = createNotices(other);
    expect(await elsewhere.resultOf(await elsewhere.notify(userId))).toEqual({ status: 'delivered' });
  } finally {
    await other.close();
  }
});
