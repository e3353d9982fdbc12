/** Mail to the user, beside the webhook: who gets which, once per link. A real mail server judges. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { listDeliveries } from '../../db/notices.ts';
import { asSystem, forUser } from '../../db/scope.ts';
import { putUser } from '../../db/users.ts';
import type { MailPort } from '../../mail/port.ts';
import { createSmtpMail } from '../../mail/smtp.ts';
import { noticeWorkflowId, runWorkflowId } from '../../workflows/messages.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { type MailServer, startMailServer } from '../setup/mail-server.ts';
import { createNotices } from '../setup/notices.ts';
import { type Receiver, startReceiver } from '../setup/receiver.ts';
import { until } from '../setup/until.ts';

let bellhop: TestBellhop;
let receiver: Receiver;
let server: MailServer;
let mail: MailPort;
let notices: ReturnType<typeof createNotices>;
beforeAll(async () => {
  [receiver, server] = await Promise.all([startReceiver(), startMailServer()]);
  mail = createSmtpMail({
    url: `smtp://127.0.0.1:${server.port}`,
    from: 'Bellhop <no-reply@bellhop.example>',
  });
  const webhook = { url: receiver.url, secret: 'a secret of the integrator' };
  bellhop = await startTestBellhop({ mail, settings: { webhook, publicUrl: 'https://bellhop.example' } });
  notices = createNotices(bellhop);
});
afterAll(async () => {
  await bellhop.close();
  mail.close();
  await Promise.all([receiver.close(), server.close()]);
});
beforeEach(() => {
  receiver.always({ status: 200 });
  server.hang(false);
});

const newUser = async (fields: { email?: string | null; displayName?: string } = {}) => {
  const userId = `user-${randomUUID()}`;
  const email = fields.email === undefined ? `${userId}@example.com` : fields.email;
  await forUser(bellhop.db, userId, (tx) => putUser(tx, userId, { ...fields, email }));
  return { userId, email: email ?? '' };
};
const send = (userId: string) => ({ userId, task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'] });
const mailsOf = async (userId: string) =>
  (await asSystem(bellhop.db, (tx) => listDeliveries(tx, { before: null, limit: 1_000 })))
    .map(({ delivery }) => delivery)
    .filter((delivery) => delivery.userId === userId && delivery.channel === 'mail');
const settled = (userId: string, count: number) =>
  until(
    `${count} settled mails`,
    async () => {
      const mails = await mailsOf(userId);
      return mails.length === count && mails.every(({ status }) => status !== 'pending') ? mails : null;
    },
    60_000,
  );
const waits = async (userId: string): Promise<string> => {
  const runId = await bellhop.start(send(userId));
  await bellhop.until(runId, (run) => run.status === 'waiting_for_connection', 60_000);
  return runId;
};
const cancel = (runId: string) => bellhop.client.workflow.getHandle(runWorkflowId(runId)).cancel();

describe('a user', () => {
  test('whose app broke while three runs need it gets one mail, with the link of the webhook', async () => {
    const { userId, email } = await newUser({ displayName: 'Alice & <Bob>' });
    await bellhop.sandbox.seedAccount({ userId, app: 'slack', status: 'EXPIRED' });
    const runs = [await waits(userId), await waits(userId), await waits(userId)];
    const mails = await settled(userId, 4);
    expect(mails.map(({ status }) => status).toSorted()).toEqual([
      'delivered',
      'skipped',
      'skipped',
      'skipped',
    ]);
    expect(new Set(mails.map(({ lastError }) => lastError))).toEqual(
      new Set([null, 'the user was mailed this link before']),
    );
    const taken = server.to(email);
    expect(taken).toHaveLength(1);
    const delivered = mails.find(({ status }) => status === 'delivered');
    expect(delivered).toMatchObject({ attempts: 1, lastStatus: 250 });
    expect(taken[0]?.headers.get('message-id')).toEqual([`<${delivered?.noticeId}@bellhop.example>`]);
    expect(taken[0]?.headers.get('subject')).toEqual(['Please reconnect Slack']);
    await until('the webhook', async () => receiver.of(userId, 'connection.expired').length === 1);
    const url = String(receiver.of(userId, 'connection.expired')[0]?.body.data['connectUrl']);
    const body = (taken[0]?.raw ?? '').replaceAll('=\r\n', '').replaceAll('=3D', '=');
    expect(body).toContain(`Reconnect Slack: ${url}`);
    expect(body).toContain('Hello Alice &amp; &lt;Bob&gt;,');
    for (const runId of runs) await cancel(runId);
  });

  test('who has never connected the app is asked to, once', async () => {
    const { userId, email } = await newUser();
    const runs = [await waits(userId), await waits(userId)];
    const mails = await settled(userId, 2);
    expect(mails.map(({ status }) => status).toSorted()).toEqual(['delivered', 'skipped']);
    expect(server.to(email).map(({ headers }) => headers.get('subject'))).toEqual([['Please connect Slack']]);
    for (const runId of runs) await cancel(runId);
  });

  test('without an address gets none, and no delivery is in line for it', async () => {
    const { userId } = await newUser({ email: null });
    const runId = await waits(userId);
    await until('the webhook', async () => receiver.of(userId).length === 1, 60_000);
    expect(await mailsOf(userId)).toEqual([]);
    await cancel(runId);
  });

  test('whose address was taken away meanwhile gets none', async () => {
    const { userId } = await newUser();
    const noticeId = await notices.write(
      userId,
      { type: 'run.waiting_for_connection', runId: await waits(userId) },
      ['mail'],
    );
    await forUser(bellhop.db, userId, (tx) => putUser(tx, userId, { email: null }));
    await notices.start(userId, noticeId, 'mail');
    expect(await notices.resultOf(noticeId, 'mail')).toEqual({ status: 'skipped' });
    expect(await notices.deliveryOf(userId, noticeId, 'mail')).toMatchObject({
      lastError: 'the user has no mail address',
    });
  });

  test('is not mailed about runs that ended, approvals, or an account that was connected', async () => {
    const { userId, email } = await newUser();
    await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const runId = await bellhop.start(send(userId));
    await bellhop.ended(runId, 60_000);
    await until('the webhook', async () => receiver.of(userId, 'run.completed').length === 1, 60_000);
    for (const type of ['run.completed', 'run.failed', 'connection.completed', 'approval.requested'] as const)
      await notices.write(userId, { type }, ['webhook', 'mail']);
    expect(await mailsOf(userId)).toEqual([]);
    expect(server.to(email)).toEqual([]);
  });
});

describe('a mail', () => {
  test('that the server does not take yet goes again under the same Message-ID; one that it refuses for good does not', async () => {
    const later = await newUser();
    server.refuse({ at: 'data', code: 451 });
    const laterRun = await waits(later.userId);
    const [delivered] = await settled(later.userId, 1);
    expect(delivered).toMatchObject({ status: 'delivered', attempts: 2, lastStatus: 250 });
    expect(server.to(later.email).map(({ headers }) => headers.get('message-id'))).toEqual([
      [`<${delivered?.noticeId}@bellhop.example>`],
    ]);
    const never = await newUser();
    server.refuse({ at: 'to', code: 550 });
    const neverRun = await waits(never.userId);
    const [failed] = await settled(never.userId, 1);
    expect(failed).toMatchObject({
      status: 'failed',
      attempts: 1,
      lastStatus: 550,
      lastError: 'SMTP EENVELOPE',
    });
    expect(server.to(never.email)).toEqual([]);
    // The operator has mended the address: the same link may be mailed by the same notice.
    await notices.urge(never.userId, failed?.noticeId ?? '', 'mail');
    expect(await notices.resultOf(failed?.noticeId ?? '', 'mail')).toEqual({ status: 'delivered' });
    expect(server.to(never.email)).toHaveLength(1);
    for (const runId of [laterRun, neverRun]) await cancel(runId);
  });

  test('does not wait for a receiver that is down, nor the webhook for a mail server that hangs', async () => {
    receiver.always({ status: 500 });
    const { userId, email } = await newUser();
    const first = await waits(userId);
    await until('the mail', async () => server.to(email).length === 1, 60_000);
    receiver.always({ status: 200 });
    server.hang(true);
    const other = await newUser();
    const second = await waits(other.userId);
    await until('the webhook', async () => receiver.of(other.userId).length === 1, 60_000);
    const [pending] = await mailsOf(other.userId);
    expect(pending).toMatchObject({ status: 'pending', attempts: 0 });
    server.hang(false);
    await bellhop.client.workflow.getHandle(noticeWorkflowId(pending?.noticeId ?? '', 'mail')).terminate();
    for (const runId of [first, second]) await cancel(runId);
  }, 300_000);
});

test('without a receiver, mail alone is told', async () => {
  const alone = await startTestBellhop({
    mail,
    databaseUrl: bellhop.databaseUrl,
    settings: { publicUrl: 'https://bellhop.example' },
  });
  try {
    const { userId, email } = await newUser();
    const runId = await alone.start(send(userId));
    await alone.until(runId, (run) => run.status === 'waiting_for_connection', 60_000);
    await until('the mail', async () => server.to(email).length === 1, 60_000);
    expect(receiver.of(userId)).toEqual([]);
    await alone.client.workflow.getHandle(runWorkflowId(runId)).cancel();
  } finally {
    await alone.close();
  }
});
