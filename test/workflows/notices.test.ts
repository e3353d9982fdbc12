/** Notices to the integrator: signed, repeated under one id, given up only when told so. A real receiver judges. */
import { randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addNotice, getDelivery } from '../../db/notices.ts';
import { asSystem, forUser } from '../../db/scope.ts';
import { listWaiting } from '../../db/waiters.ts';
import { DELIVER_NOTICE, noticeWorkflowId, runWorkflowId } from '../../workflows/messages.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createConnect } from '../setup/connect.ts';
import { type Receiver, startReceiver } from '../setup/receiver.ts';
import { until } from '../setup/until.ts';

const SECRET = `whsec_${Buffer.from('a secret of the integrator').toString('base64')}`;
let bellhop: TestBellhop;
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
  bellhop = await startTestBellhop({
    settings: { webhook: { url: receiver.url, secret: SECRET }, publicUrl: 'https://bellhop.example' },
  });
});
afterAll(async () => {
  await bellhop.close();
  await receiver.close();
});

const newUser = async (): Promise<string> => {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  return userId;
};
/** A notice with its workflow, as whoever writes one starts it. */
async function notify(userId: string): Promise<string> {
  const notice = {
    userId,
    type: 'run.failed',
    dedupeKey: randomUUID(),
    app: null,
    flowId: null,
    runId: null,
    data: {},
  } as const;
  const noticeId = (await forUser(bellhop.db, userId, (tx) => addNotice(tx, notice, ['webhook']))) ?? '';
  await bellhop.client.workflow.start(DELIVER_NOTICE, {
    workflowId: noticeWorkflowId(noticeId),
    taskQueue: bellhop.taskQueue,
    args: [{ noticeId, userId }],
  });
  return noticeId;
}
const resultOf = (noticeId: string): Promise<unknown> =>
  bellhop.client.workflow.getHandle(noticeWorkflowId(noticeId)).result();
const deliveryOf = (userId: string, noticeId: string) =>
  forUser(bellhop.db, userId, (tx) => getDelivery(tx, noticeId));

describe('a notice', () => {
  test('verifies with the standard’s own library, and not when one character of it is another', async () => {
    const userId = await newUser();
    const noticeId = await notify(userId);
    expect(await resultOf(noticeId)).toEqual({ status: 'delivered' });
    const [notice] = receiver.of(userId);
    expect(receiver.of(userId)).toHaveLength(1);
    expect(notice?.headers).toMatchObject({ 'webhook-id': noticeId, 'content-type': 'application/json' });
    expect(new Webhook(SECRET).verify(notice?.text ?? '', notice?.headers ?? {})).toEqual(notice?.body);
    const altered = (notice?.text ?? '').replace('run.failed', 'run.failet');
    expect(() => new Webhook(SECRET).verify(altered, notice?.headers ?? {})).toThrow();
  });

  test('that meets 500 and a redirect is sent again under the same id until 200, and the redirect is not followed', async () => {
    const userId = await newUser();
    receiver.answer(
      userId,
      { status: 500 },
      { status: 302, headers: { location: `${receiver.url}?stolen` } },
    );
    const noticeId = await notify(userId);
    await until('the second attempt', async () => receiver.of(userId).length === 2);
    const delivery = await until('the second attempt to be recorded', async () => {
      const now = await deliveryOf(userId, noticeId);
      return now?.attempts === 2 ? now : null;
    });
    // The third comes in five minutes; it is not waited for here.
    expect(delivery).toMatchObject({ status: 'pending', lastStatus: 302 });
    const [first, second] = receiver.of(userId);
    expect([first?.answered, second?.answered]).toEqual([500, 302]);
    expect(second?.headers['webhook-id']).toBe(noticeId);
    expect(first?.headers['webhook-id']).toBe(noticeId);
    expect(() => new Webhook(SECRET).verify(second?.text ?? '', second?.headers ?? {})).not.toThrow();
    await bellhop.client.workflow.getHandle(noticeWorkflowId(noticeId)).terminate();
  });

  test('that meets 500 first is delivered by the second attempt', async () => {
    const userId = await newUser();
    receiver.answer(userId, { status: 500 });
    const noticeId = await notify(userId);
    expect(await resultOf(noticeId)).toEqual({ status: 'delivered' });
    expect(receiver.of(userId).map((notice) => notice.answered)).toEqual([500, 200]);
    expect(await deliveryOf(userId, noticeId)).toMatchObject({
      status: 'delivered',
      attempts: 2,
      lastStatus: 200,
    });
  });

  test('started twice is sent once', async () => {
    const userId = await newUser();
    const noticeId = await notify(userId);
    await resultOf(noticeId);
    await bellhop.client.workflow.start(DELIVER_NOTICE, {
      workflowId: noticeWorkflowId(noticeId),
      taskQueue: bellhop.taskQueue,
      args: [{ noticeId, userId }],
    });
    expect(await resultOf(noticeId)).toEqual({ status: 'delivered' });
    expect(receiver.of(userId)).toHaveLength(1);
  });
});

describe('a run tells', () => {
  test('that it waits, that the connection expired (once, with link and waiting runs), that it is back, and its end', async () => {
    const connect = createConnect(bellhop);
    const userId = await newUser();
    const account = await bellhop.sandbox.seedAccount({ userId, app: 'slack', status: 'EXPIRED' });
    const send = { userId, task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'] };
    const first = await bellhop.start(send);
    await bellhop.until(first, (run) => run.status === 'waiting_for_connection');
    const second = await bellhop.start(send);
    await bellhop.until(second, (run) => run.status === 'waiting_for_connection');
    await until('both waits', async () => receiver.of(userId, 'run.waiting_for_connection').length === 2);
    await until('the break', async () => receiver.of(userId, 'connection.expired').length === 1);
    const [waiting] = await asSystem(bellhop.db, (tx) => listWaiting(tx, first));
    expect(receiver.of(userId, 'connection.expired')[0]?.body.data).toMatchObject({
      userId,
      app: 'slack',
      accountId: account.id,
      status: 'EXPIRED',
      message: 'Your Slack connection has expired. Please reconnect in Settings > Integrations.',
      connectUrl: `https://bellhop.example/connect/${waiting?.token}`,
      waitingRuns: expect.arrayContaining([first]) as unknown,
    });
    const flow = await connect.open(userId);
    const click = await connect.click(flow);
    await bellhop.sandbox.consent(click.redirectUrl, 'approve');
    for (const id of [first, second]) expect((await bellhop.ended(id)).status).toBe('completed');
    await until('both ends', async () => receiver.of(userId, 'run.completed').length === 2);
    await until('the connection', async () => receiver.of(userId, 'connection.completed').length === 1);
    expect(receiver.of(userId, 'connection.expired')).toHaveLength(1);
    const ends = receiver.of(userId, 'run.completed').map(({ body }) => body.data['runId']);
    expect(new Set(ends)).toEqual(new Set([first, second]));
  });

  test('the break of a connection that only its provider refuses once, however many runs meet it', async () => {
    const userId = await newUser();
    const account = await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    await bellhop.sandbox.revokeAtProvider(account.id);
    const send = { userId, task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'] };
    const runIds = [await bellhop.start(send), await bellhop.start(send)];
    for (const runId of runIds) await bellhop.until(runId, (run) => run.status === 'waiting_for_connection');
    await until('both waits', async () => receiver.of(userId, 'run.waiting_for_connection').length === 2);
    await until('the break', async () => receiver.of(userId, 'connection.expired').length > 0);
    expect(receiver.of(userId, 'connection.expired').map(({ body }) => body.data['status'])).toEqual([
      'REVOKED',
    ]);
    for (const runId of runIds) await bellhop.client.workflow.getHandle(runWorkflowId(runId)).cancel();
  });

  test('a notice names ids and statuses, never the task or a tool’s arguments', async () => {
    const userId = await newUser();
    await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const runId = await bellhop.start({
      userId,
      task: 'Tell #general canary-7731',
      tools: ['SLACK_SEND_MESSAGE'],
    });
    await bellhop.ended(runId);
    await until('the end', async () => receiver.of(userId, 'run.completed').length === 1);
    expect(JSON.stringify(receiver.of(userId).map(({ body }) => body))).not.toContain('canary-7731');
  });
});
