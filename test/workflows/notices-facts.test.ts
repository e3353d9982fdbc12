/** What a notice says is as things are when it is sent; what no longer holds is not told. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openEpisode } from '../../db/episodes.ts';
import { getFlowByToken, openFlow } from '../../db/flows.ts';
import { listDeliveries } from '../../db/notices.ts';
import { asSystem, forUser } from '../../db/scope.ts';
import { AUDIT_CONNECTIONS, auditWorkflowId, runWorkflowId } from '../../workflows/messages.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createConnect } from '../setup/connect.ts';
import { approve } from '../setup/decide.ts';
import { createNotices } from '../setup/notices.ts';
import { type Receiver, startReceiver } from '../setup/receiver.ts';
import { until } from '../setup/until.ts';

let bellhop: TestBellhop;
let receiver: Receiver;
let notices: ReturnType<typeof createNotices>;
let connect: ReturnType<typeof createConnect>;
beforeAll(async () => {
  receiver = await startReceiver();
  const webhook = { url: receiver.url, secret: 'a secret of the integrator' };
  bellhop = await startTestBellhop({ settings: { webhook, publicUrl: 'https://bellhop.example' } });
  notices = createNotices(bellhop);
  connect = createConnect(bellhop);
});
afterAll(async () => {
  await bellhop.close();
  await receiver.close();
});
beforeEach(() => receiver.always({ status: 200 }));

/** Long enough that whatever a test does comes before the second attempt, which it brings about itself. */
const LATER = { status: 503, headers: { 'retry-after': '3600' } };
const newUser = async (): Promise<string> => {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  return userId;
};
const send = (userId: string) => ({ userId, task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'] });
const deliveriesOf = async (userId: string) =>
  (await asSystem(bellhop.db, (tx) => listDeliveries(tx, { before: null, limit: 1_000 })))
    .map(({ delivery }) => delivery)
    .filter((delivery) => delivery.userId === userId);
const reconnect = async (userId: string): Promise<void> => {
  const click = await connect.click(await connect.open(userId));
  await bellhop.sandbox.consent(click.redirectUrl, 'approve');
};
async function sql(text: string, values: readonly unknown[]): Promise<void> {
  const client = new pg.Client({ connectionString: bellhop.databaseUrl });
  await client.connect();
  await client.query('set role bellhop_system');
  await client.query(text, [...values]);
  await client.end();
}

describe('a notice that is no longer true', () => {
  test('of a break that was mended, and of a run that waits no longer, are skipped between two attempts', async () => {
    const userId = await newUser();
    await bellhop.sandbox.seedAccount({ userId, app: 'slack', status: 'EXPIRED' });
    receiver.answer(userId, LATER, LATER);
    const runId = await bellhop.start(send(userId));
    await until('both first attempts', async () => receiver.of(userId).length === 2, 60_000);
    await reconnect(userId);
    expect((await bellhop.ended(runId, 60_000)).status).toBe('completed');
    const stale = (await deliveriesOf(userId)).filter(
      ({ type, status }) =>
        status === 'pending' && type !== 'run.completed' && type !== 'connection.completed',
    );
    expect(stale.map(({ type }) => type).toSorted()).toEqual([
      'connection.expired',
      'run.waiting_for_connection',
    ]);
    for (const { noticeId } of stale) {
      await notices.urge(userId, noticeId);
      expect(await notices.resultOf(noticeId)).toEqual({ status: 'skipped' });
    }
    expect(
      (await deliveriesOf(userId))
        .filter(({ status }) => status === 'skipped')
        .map((d) => `${d.type}: ${d.lastError}, ${d.attempts}`)
        .toSorted(),
    ).toEqual([
      'connection.expired: the connection works again, 1',
      'run.waiting_for_connection: the run has ended, 1',
    ]);
    expect(receiver.of(userId, 'connection.expired')).toHaveLength(1);
    expect(receiver.of(userId, 'run.waiting_for_connection')).toHaveLength(1);
  });

  test('of an approval that was given is skipped, and the run’s end is told all the same', async () => {
    const userId = await newUser();
    await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    receiver.answer(userId, LATER);
    const call = { name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'a' } };
    const task = scripted([{ toolCalls: [call] }, { content: 'Done.' }]);
    const runId = await bellhop.start({ ...send(userId), task, requireApproval: 'writes' });
    await until(
      'the first attempt',
      async () => receiver.of(userId, 'approval.requested').length === 1,
      60_000,
    );
    await approve(bellhop, { userId, runId, callId: 'call_1_0' });
    await bellhop.ended(runId, 60_000);
    const [asked] = (await deliveriesOf(userId)).filter(({ type }) => type === 'approval.requested');
    await notices.urge(userId, asked?.noticeId ?? '');
    expect(await notices.resultOf(asked?.noticeId ?? '')).toEqual({ status: 'skipped' });
    await until('the end', async () => receiver.of(userId, 'run.completed').length === 1);
    expect(receiver.of(userId, 'approval.requested')).toHaveLength(1);
  });
});

describe('the link', () => {
  test('of a break that the audit found leads to a flow, and one click mends it', async () => {
    const userId = await newUser();
    await bellhop.sandbox.seedAccount({ userId, app: 'slack', status: 'EXPIRED' });
    const auditId = randomUUID();
    await bellhop.client.workflow.execute(AUDIT_CONNECTIONS, {
      workflowId: auditWorkflowId(auditId),
      taskQueue: bellhop.taskQueue,
      args: [{ auditId, mode: 'users' }],
    });
    const [notice] = await until('the notice', async () => {
      const seen = receiver.of(userId, 'connection.expired');
      return seen.length > 0 ? seen : null;
    });
    const token = /^https:\/\/bellhop\.example\/connect\/([\w-]+)$/.exec(
      String(notice?.body.data['connectUrl']),
    )?.[1];
    expect(notice?.body.data['waitingRuns']).toEqual([]);
    const flow = await asSystem(bellhop.db, (tx) => getFlowByToken(tx, token ?? ''));
    if (!flow) throw new Error('the link leads nowhere');
    expect(flow).toMatchObject({ userId, app: 'slack', status: 'open' });
    const click = await connect.click(flow);
    await bellhop.sandbox.consent(click.redirectUrl, 'approve');
    await until('word of it', async () => receiver.of(userId, 'connection.completed').length === 1, 60_000);
  });

  test('that has died before its notice went out is made anew', async () => {
    const userId = await newUser();
    const { flow, episodeId } = await forUser(bellhop.db, userId, async (tx) => {
      const asked = {
        userId,
        app: 'slack',
        appName: 'Slack',
        reconnect: false,
        returnUrl: null,
        timeoutMs: 60_000,
      };
      const opened = await openFlow(tx, asked);
      const episode = { userId, app: 'slack', accountId: 'ca_1', status: 'EXPIRED' as const };
      return { flow: opened.flow, episodeId: await openEpisode(tx, episode) };
    });
    await sql(`update connection_flows set status = 'expired', ended_at = now() where id = $1`, [flow.id]);
    const noticeId = await notices.notify(userId, {
      type: 'connection.expired',
      dedupeKey: `episode:${episodeId}`,
      app: 'slack',
      flowId: flow.id,
      data: { accountId: 'ca_1', status: 'EXPIRED', message: 'm' },
    });
    expect(await notices.resultOf(noticeId)).toEqual({ status: 'delivered' });
    const url = String(receiver.of(userId)[0]?.body.data['connectUrl']);
    const token = url.split('/').at(-1) ?? '';
    expect(token).not.toBe(flow.token);
    expect(await asSystem(bellhop.db, (tx) => getFlowByToken(tx, token))).toMatchObject({
      status: 'open',
      userId,
    });
  });

  test('is in a run’s notice for each app that it waits for', async () => {
    const userId = await newUser();
    const runId = await bellhop.start({ ...send(userId), tools: ['SLACK_SEND_MESSAGE', 'GMAIL_SEND_EMAIL'] });
    const [notice] = await until(
      'the notice',
      async () => {
        const seen = receiver.of(userId, 'run.waiting_for_connection');
        return seen.length > 0 ? seen : null;
      },
      60_000,
    );
    const link = expect.stringMatching(/^https:\/\/bellhop\.example\/connect\/./) as unknown;
    expect(notice?.body.data).toEqual({
      userId,
      runId,
      status: 'waiting_for_connection',
      error: null,
      apps: ['gmail', 'slack'],
      waitingRuns: [runId],
      connectUrl: link,
      waitingFor: [
        {
          app: 'gmail',
          reason: 'missing',
          connectUrl: link,
          message: 'Please connect your Gmail account first in Settings > Integrations.',
        },
        {
          app: 'slack',
          reason: 'missing',
          connectUrl: link,
          message: 'Please connect your Slack account first in Settings > Integrations.',
        },
      ],
    });
    await bellhop.client.workflow.getHandle(runWorkflowId(runId)).cancel();
  });
});

test('a notice stays below 20 kB, however many runs wait', async () => {
  const userId = await newUser();
  const timeoutMs = 60_000;
  const { flow } = await forUser(bellhop.db, userId, (tx) =>
    openFlow(tx, { userId, app: 'slack', appName: 'Slack', reconnect: false, returnUrl: null, timeoutMs }),
  );
  const runId = await bellhop.accept(send(userId));
  await sql(
    `insert into runs select (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid()::text, 'thread_id', r.thread_id,
       'finished_at', now(), 'status', 'failed'))).* from runs r, generate_series(1, 999) where r.id = $1`,
    [runId],
  );
  await sql(
    `insert into flow_waiters (flow_id, run_id, user_id, app, reason, state)
     select $1, id, user_id, 'slack', 'expired', 'waiting' from runs where user_id = $2`,
    [flow.id, userId],
  );
  const noticeId = await notices.notify(userId, {
    type: 'connection.completed',
    app: 'slack',
    flowId: flow.id,
    data: { accountId: 'ca_1' },
  });
  expect(await notices.resultOf(noticeId)).toEqual({ status: 'delivered' });
  const [notice] = receiver.of(userId);
  expect(notice?.body.data['waitingRuns']).toHaveLength(100);
  expect(notice?.body.data['waitingRunCount']).toBe(1_000);
  expect(Buffer.byteLength(notice?.text ?? '')).toBeLessThan(20_000);
});
