/** Approvals: what may run is bound to tool, arguments and account, and is looked at again where the call leaves. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { callDigest } from '../../db/call-digest.ts';
import { asSystem } from '../../db/scope.ts';
import { sql } from 'kysely';
import { callDecidedSignal, runWorkflowId } from '../../workflows/messages.ts';
import { scripted } from '../setup/bellhop.ts';
import { type Receiver, startReceiver } from '../setup/receiver.ts';
import { until } from '../setup/until.ts';
import type { AnyBody, TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';
import { untilEnded, untilSettled } from './setup/settled-run.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
let api: TestApi;
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
  api = await startTestApi({ settings: { webhook: { url: receiver.url, secret: SECRET } } });
});
afterAll(async () => {
  await api.close();
  await receiver.close();
});

const WRITE = { name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'once' } };
const READ = { name: 'SLACK_LIST_CHANNELS', arguments: {} };
const TOOLS = ['SLACK_SEND_MESSAGE', 'SLACK_LIST_CHANNELS', 'GMAIL_SEND_EMAIL'];

async function newUser(): Promise<{ userId: string; accountId: string }> {
  const userId = `u-${randomUUID()}`;
  await api.call('PUT', `/v1/users/${userId}`, { body: {} });
  const account = await api.bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  await api.bellhop.sandbox.seedAccount({ userId, app: 'gmail' });
  return { userId, accountId: account.id };
}
const start = async (userId: string, toolCalls: readonly object[], approvals: object, more: object = {}) => {
  const task = scripted([{ toolCalls }, { content: 'The end.' }]);
  const body = { userId, task, tools: TOOLS, approvals, ...more };
  const { status, body: run } = await api.call('POST', '/v1/runs', { body });
  expect(status).toBe(202);
  return run.id as string;
};
const read = async (runId: string) => (await api.call('GET', `/v1/runs/${runId}`)).body;
const waits = (runId: string): Promise<AnyBody> => untilSettled(api, runId);
const ended = (runId: string): Promise<AnyBody> => untilEnded(api, runId);
const decide = (runId: string, callId: string, body: object) =>
  api.call('POST', `/v1/runs/${runId}/approvals/${callId}`, { body: { approver: 'dana', ...body } });
const approve = { decision: 'approve' };
const deny = { decision: 'deny', reason: 'not in this channel' };
/** Writes only: a read is no effect. */
const sent = async (userId: string) =>
  (await api.bellhop.sandbox.journal({ userId })).filter((effect) => !effect.readOnly);
/** Types, with the decision where there is one; of one call, when it is named. */
const eventsOf = async (runId: string, callId?: string): Promise<string[]> =>
  (await api.call('GET', `/v1/runs/${runId}/events`)).body.items
    .filter((event: AnyBody) => callId === undefined || event.callId === callId)
    .map((event: AnyBody) => (event.decision ? `${event.type} ${event.decision}` : event.type));
/** What the model was told of its calls, by call id, in its newest request. */
async function toldToModel(task: string): Promise<Record<string, AnyBody>> {
  const requests = await api.bellhop.modelSandbox.requests({ marker: task });
  const messages = ((requests.at(-1) as AnyBody)?.body.messages ?? []) as AnyBody[];
  return Object.fromEntries(
    messages.filter(({ role }) => role === 'tool').map((m) => [m.tool_call_id, JSON.parse(m.content)]),
  );
}

describe('a run whose writes need approval', () => {
  test('reads at once, waits with each write, and sends it exactly once when it is approved', async () => {
    const { userId, accountId } = await newUser();
    const runId = await start(userId, [READ, WRITE], { require: 'writes' });
    const waiting = await until('the read to be done, and the write to wait', async () => {
      const run = await waits(runId);
      const statuses = run.toolCalls.map((call: AnyBody) => call.status).join();
      return statuses === 'done,waiting' && run.status === 'waiting_for_approval' ? run : null;
    });
    expect(waiting.toolCalls[1].approval).toMatchObject({ status: 'requested', decidedAt: null });
    expect(await sent(userId)).toHaveLength(0);
    // Once it is decided nobody would be told any more.
    await until('the notice', async () => receiver.of(userId, 'approval.requested').length === 1);

    const { status, body } = await decide(runId, 'call_1_1', approve);
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'approved', approver: 'dana', tool: WRITE.name, accountId });
    expect(body.digest).toBe(callDigest({ tool: WRITE.name, arguments: WRITE.arguments, accountId }));
    expect((await ended(runId)).status).toBe('completed');
    expect((await sent(userId)).map((effect) => [effect.slug, effect.arguments])).toEqual([
      [WRITE.name, WRITE.arguments],
    ]);
    expect(await eventsOf(runId, 'call_1_1')).toEqual([
      'approval.requested',
      'approval.decided approved',
      'tool.started',
      'tool.completed',
    ]);
    const [notice] = receiver.of(userId, 'approval.requested');
    expect(notice?.body.data).toMatchObject({ userId, runId, callId: 'call_1_1', tool: WRITE.name });
    expect(notice?.text).not.toContain('once');
  });

  test('asks for the tools named, and for no other write', async () => {
    const { userId } = await newUser();
    const mail = { name: 'GMAIL_SEND_EMAIL', arguments: { recipient_email: 'a@b.example', body: 'hi' } };
    const runId = await start(userId, [WRITE, mail], { require: ['GMAIL_SEND_EMAIL'] });
    // It waits from the moment that the mail asks; the message may be on its way still.
    const { toolCalls } = await until('the message to be sent', async () => {
      const run = await waits(runId);
      return run.toolCalls[0].status === 'done' && run;
    });
    expect(toolCalls.map((call: AnyBody) => [call.tool, call.status])).toEqual([
      ['SLACK_SEND_MESSAGE', 'done'],
      ['GMAIL_SEND_EMAIL', 'waiting'],
    ]);
    await decide(runId, 'call_1_1', approve);
    await ended(runId);
    expect(await sent(userId)).toHaveLength(2);
  });

  test('tells the model why a call was denied, and never sends it', async () => {
    const { userId } = await newUser();
    const marker = randomUUID();
    const task = scripted([{ toolCalls: [WRITE] }, { content: 'The end.' }], marker);
    const runId = await start(userId, [], { require: 'writes' }, { task });
    await waits(runId);
    const { body } = await decide(runId, 'call_1_0', deny);
    expect(body).toMatchObject({ status: 'denied', reason: deny.reason });
    // At once, before any worker has come to it.
    expect((await read(runId)).toolCalls[0].status).toBe('denied');
    expect((await ended(runId)).status).toBe('completed');
    expect((await toldToModel(marker))['call_1_0']).toMatchObject({ status: 'denied', reason: deny.reason });
    expect(await sent(userId)).toHaveLength(0);
    expect(await eventsOf(runId)).toContain('approval.decided denied');
  });

  test('runs what the approver made of the arguments, and keeps the model’s own beside it', async () => {
    const { userId, accountId } = await newUser();
    const runId = await start(userId, [WRITE], { require: 'writes' });
    await waits(runId);
    const wrong = await decide(runId, 'call_1_0', { ...approve, arguments: { chanel: 'x' } });
    expect([wrong.status, wrong.body.errors[0].at]).toEqual([400, 'body/arguments']);
    const edited = { channel: 'random', markdown_text: 'edited' };
    const { body } = await decide(runId, 'call_1_0', { ...approve, arguments: edited });
    expect(body.digest).toBe(callDigest({ tool: WRITE.name, arguments: edited, accountId }));
    const run = await ended(runId);
    expect(run.toolCalls[0]).toMatchObject({ arguments: WRITE.arguments, editedArguments: edited });
    expect((await sent(userId)).map((effect) => effect.arguments)).toEqual([edited]);
  });

  test('denies as expired what nobody decides in time, and refuses a decision after that', async () => {
    const { userId } = await newUser();
    const runId = await start(userId, [WRITE], { require: 'writes', timeout: '1s' });
    const run = await ended(runId);
    expect(run.status).toBe('completed');
    expect(run.toolCalls[0]).toMatchObject({ status: 'denied', approval: { status: 'expired' } });
    expect(run.toolCalls[0].result).toMatch(/^expired/);
    expect(await eventsOf(runId)).toContain('approval.decided expired');
    const late = await decide(runId, 'call_1_0', approve);
    expect([late.status, late.body.code]).toEqual([409, 'approval_expired']);
    expect(await sent(userId)).toHaveLength(0);
  });

  test('takes each of several parallel calls by itself', async () => {
    const { userId } = await newUser();
    const calls = ['a', 'b', 'c', 'd'].map((markdown_text) => ({
      name: WRITE.name,
      arguments: { channel: 'general', markdown_text },
    }));
    const runId = await start(userId, [...calls, READ], { require: 'writes' });
    await until('all to wait', async () => {
      const { toolCalls } = await read(runId);
      return toolCalls.filter((call: AnyBody) => call.status === 'waiting').length === 4;
    });
    await decide(runId, 'call_1_2', approve);
    await decide(runId, 'call_1_0', deny);
    await api.bellhop.sandbox.waitForEffects(1, { userId });
    // Two are undecided still, so the model is not asked, and the run goes on waiting.
    expect((await waits(runId)).status).toBe('waiting_for_approval');
    expect((await read(runId)).usage.modelCalls).toBe(1);
    await Promise.all([decide(runId, 'call_1_1', approve), decide(runId, 'call_1_3', deny)]);
    const run = await ended(runId);
    expect(run.toolCalls.map((call: AnyBody) => call.status)).toEqual([
      'denied',
      'done',
      'done',
      'denied',
      'done',
    ]);
    expect((await sent(userId)).map((effect) => (effect.arguments as AnyBody).markdown_text)).toEqual([
      'c',
      'b',
    ]);
  });

  test('does not ask about a call that cannot be made: the model hears what is wrong with it', async () => {
    const { userId } = await newUser();
    const runId = await start(userId, [{ name: WRITE.name, arguments: { chanel: 'x' } }], {
      require: 'writes',
    });
    const run = await ended(runId);
    expect(run.toolCalls[0]).toMatchObject({ status: 'failed', attempts: 0 });
    expect(await eventsOf(runId)).not.toContain('approval.requested');
  });

  test('can be cancelled while it waits, and no decision counts after that', async () => {
    const { userId } = await newUser();
    const runId = await start(userId, [WRITE], { require: 'writes' });
    await waits(runId);
    await api.call('POST', `/v1/runs/${runId}/cancel`);
    expect((await ended(runId)).status).toBe('cancelled');
    const late = await decide(runId, 'call_1_0', approve);
    expect([late.status, late.body.code]).toEqual([409, 'run_ended']);
    expect(await sent(userId)).toHaveLength(0);
  });
});

describe('a decision', () => {
  test('that was made holds: the same again is 200, another one 409', async () => {
    const { userId } = await newUser();
    const runId = await start(userId, [WRITE], { require: 'writes' });
    await waits(runId);
    const results = await Promise.all(
      [approve, approve, deny, deny, approve].map((decision) => decide(runId, 'call_1_0', decision)),
    );
    const [won] = results.filter(({ status }) => status === 200).map(({ body }) => body.status as string);
    const isDenied = won === 'denied';
    expect(results.map(({ status }) => status)).toEqual(
      [false, false, true, true, false].map((denies) => (denies === isDenied ? 200 : 409)),
    );
    const run = await ended(runId);
    expect(run.toolCalls[0].status).toBe(isDenied ? 'denied' : 'done');
    expect(await sent(userId)).toHaveLength(isDenied ? 0 : 1);
    expect((await decide(runId, 'call_1_0', isDenied ? deny : approve)).status).toBe(200);
    const other = await decide(runId, 'call_1_0', isDenied ? approve : deny);
    expect([other.status, other.body.code]).toEqual([409, 'already_decided']);
    const edited = await decide(runId, 'call_1_0', { ...approve, arguments: WRITE.arguments });
    // The same arguments written out are the same decision.
    expect(edited.status).toBe(isDenied ? 409 : 200);
  });

  test('about what nobody asked is 404', async () => {
    const { userId } = await newUser();
    const runId = await start(userId, [WRITE], { require: 'none' });
    await ended(runId);
    expect((await decide(runId, 'call_1_0', approve)).status).toBe(404);
    expect((await decide(runId, 'call_9_9', approve)).status).toBe(404);
    expect((await decide(randomUUID(), 'call_1_0', approve)).status).toBe(404);
  });

  test('is no decision for another account: when it changes meanwhile, a person is asked anew', async () => {
    const { userId, accountId } = await newUser();
    const runId = await start(userId, [WRITE], { require: 'writes' });
    await waits(runId);
    await api.bellhop.sandbox.setStatus(accountId, 'EXPIRED');
    const other = await api.bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    expect((await decide(runId, 'call_1_0', approve)).body.accountId).toBe(accountId);
    const asked = await until('the second asking', async () => {
      // The events first: the call is to be read as it is after the second one.
      const events = await eventsOf(runId);
      if (events.filter((type) => type === 'approval.requested').length !== 2) return null;
      return (await read(runId)).toolCalls[0];
    });
    expect(asked).toMatchObject({ status: 'waiting', attempts: 0, approval: { status: 'requested' } });
    expect(await sent(userId)).toHaveLength(0);
    expect((await decide(runId, 'call_1_0', approve)).body.accountId).toBe(other.id);
    await ended(runId);
    expect((await sent(userId)).map((effect) => effect.accountId)).toEqual([other.id]);
  });

  test('about an expired connection comes after the reconnect: connection before approval', async () => {
    const { userId, accountId } = await newUser();
    await api.bellhop.sandbox.setStatus(accountId, 'EXPIRED');
    const runId = await start(userId, [WRITE], { require: 'writes' });
    expect((await waits(runId)).status).toBe('waiting_for_connection');
    await api.bellhop.sandbox.setStatus(accountId, 'ACTIVE');
    await api.bellhop.client.workflow
      .getHandle(runWorkflowId(runId))
      .signal('connection-completed', { app: 'slack' });
    const waiting = await until('the asking', async () => {
      const run = await read(runId);
      return run.status === 'waiting_for_approval' && run;
    });
    expect(waiting.toolCalls[0].status).toBe('waiting');
    await decide(runId, 'call_1_0', approve);
    await ended(runId);
    expect(await sent(userId)).toHaveLength(1);
  });

  test('whose arguments were changed in the rows afterwards does not leave', async () => {
    const { userId } = await newUser();
    const runId = await start(userId, [WRITE], { require: 'writes' });
    await waits(runId);
    await api.bellhop.stopWorker();
    await decide(runId, 'call_1_0', approve);
    const forged = JSON.stringify({ channel: 'general', markdown_text: 'forged' });
    await asSystem(api.bellhop.db, (tx) =>
      sql`update tool_calls set edited_arguments = ${forged} where run_id = ${runId}`.execute(tx),
    );
    await api.bellhop.startWorker();
    await until(
      'the second asking',
      async () => (await eventsOf(runId)).filter((type) => type === 'approval.requested').length === 2,
    );
    expect(await sent(userId)).toHaveLength(0);
    await decide(runId, 'call_1_0', deny);
    await ended(runId);
    expect(await sent(userId)).toHaveLength(0);
  });

  test('made while no worker is up is carried out when one is', async () => {
    const { userId } = await newUser();
    const runId = await start(userId, [WRITE], { require: 'writes' });
    await waits(runId);
    await api.bellhop.stopWorker();
    expect((await decide(runId, 'call_1_0', approve)).status).toBe(200);
    expect((await read(runId)).status).toBe('running');
    expect(await sent(userId)).toHaveLength(0);
    await api.bellhop.startWorker();
    expect((await ended(runId)).status).toBe('completed');
    expect(await sent(userId)).toHaveLength(1);
  });

  test('is not made by a signal: it is a hint, and the rows are read', async () => {
    const { userId } = await newUser();
    const runId = await start(userId, [WRITE], { require: 'writes' });
    await waits(runId);
    const handle = api.bellhop.client.workflow.getHandle(runWorkflowId(runId));
    await handle.signal(callDecidedSignal, { callId: 'call_1_0' });
    await handle.signal('call-decided', { callId: 'call_1_0', approved: true, status: 'approved' });
    await handle.signal('call-decided', null);
    await until('the workflow to look again', async () => {
      const { events } = await handle.fetchHistory();
      const looks = (events ?? []).filter(
        (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'executeTool',
      );
      return looks.length >= 2;
    });
    expect((await waits(runId)).status).toBe('waiting_for_approval');
    expect(await sent(userId)).toHaveLength(0);
    await api.call('POST', `/v1/runs/${runId}/cancel`);
    await ended(runId);
  });
});
