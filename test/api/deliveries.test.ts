/** Deliveries over the API: what was not received is listed, and sent again when an operator says so. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createNotices } from '../setup/notices.ts';
import { type Receiver, startReceiver } from '../setup/receiver.ts';
import { until } from '../setup/until.ts';
import { type AnyBody, type TestApi, startTestApi } from './setup/api.ts';

let api: TestApi;
let receiver: Receiver;
let notices: ReturnType<typeof createNotices>;
// Each attempt has a stage of its own.
beforeEach(async () => {
  receiver = await startReceiver();
  api = await startTestApi({ settings: { webhook: { url: receiver.url, secret: 'whsec_c2VjcmV0' } } });
  notices = createNotices(api.bellhop);
});
afterEach(async () => {
  await api.close();
  await receiver.close();
});

const newUser = async (): Promise<string> => {
  const userId = `user-${randomUUID()}`;
  await api.bellhop.putUser(userId);
  return userId;
};
const listed = async (userId: string, status: string): Promise<AnyBody[]> =>
  (await api.call('GET', `/v1/deliveries?status=${status}&limit=100`)).body.items.filter(
    (item: AnyBody) => item.userId === userId,
  );
const retry = (id: string) => api.call('POST', `/v1/deliveries/${id}/retry`);
const idsOf = (userId: string) => receiver.of(userId).map(({ headers }) => headers['webhook-id']);

describe('a delivery that has failed', () => {
  test('is listed as such, sent again under its id, and then no more, however often it is asked for', async () => {
    const userId = await newUser();
    receiver.answer(userId, { status: 410 });
    const noticeId = await notices.notify(userId);
    expect(await notices.resultOf(noticeId)).toEqual({ status: 'failed' });
    const [failed] = await listed(userId, 'failed');
    expect(failed).toMatchObject({
      noticeId,
      type: 'run.failed',
      channel: 'webhook',
      attempts: 1,
      lastStatus: 410,
      lastError: 'HTTP 410',
      deliveredAt: null,
    });
    // Nobody else is sent anything meanwhile.
    const other = await newUser();
    const otherId = await notices.notify(other);
    expect(await notices.resultOf(otherId)).toEqual({ status: 'failed' });
    expect(receiver.of(other)).toEqual([]);

    const answers = await Promise.all([retry(failed.id), retry(failed.id), retry(failed.id)]);
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
    await until('the delivery', async () => (await listed(userId, 'delivered')).length === 1, 60_000);
    await notices.resultOf(noticeId);
    expect(idsOf(userId)).toEqual([noticeId, noticeId]);
    expect((await retry(failed.id)).body).toMatchObject({ status: 'delivered', attempts: 2 });
    expect(idsOf(userId)).toHaveLength(2);
    expect(await listed(userId, 'failed')).toEqual([]);

    // The receiver is there again for everybody.
    const [dead] = await listed(other, 'failed');
    expect(dead.lastError).toContain('410');
    expect((await retry(dead.id)).body.status).toBe('pending');
    expect(await notices.resultOf(otherId)).toEqual({ status: 'delivered' });
    expect(idsOf(other)).toEqual([otherId]);
  });
});

describe('a delivery that waits for its next attempt', () => {
  test('is tried at once, by the workflow that runs', async () => {
    const userId = await newUser();
    receiver.answer(userId, { status: 503, headers: { 'retry-after': '3600' } });
    const noticeId = await notices.notify(userId);
    const pending = await until(
      'the first attempt',
      async () => (await listed(userId, 'pending')).find(({ attempts }) => attempts === 1),
      60_000,
    );
    const before = await api.bellhop.client.workflow.getHandle(`notice-${noticeId}`).describe();
    expect((await retry(pending.id)).status).toBe(202);
    expect(await notices.resultOf(noticeId)).toEqual({ status: 'delivered' });
    const after = await api.bellhop.client.workflow.getHandle(`notice-${noticeId}`).describe();
    expect(after.runId).toBe(before.runId);
    expect(idsOf(userId)).toEqual([noticeId, noticeId]);
  });
});

test('one that nobody has is 404', async () => {
  expect((await retry('nothing')).status).toBe(404);
});
