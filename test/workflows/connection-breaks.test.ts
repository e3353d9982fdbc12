/** A connection that breaks in the middle of a run: the call parks, its user is told once, and the same call runs after the reconnect. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Flow } from '../../db/flows.ts';
import { runWorkflowId } from '../../workflows/messages.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createMidRun, type MidRun, PATIENCE_MS, say, SEND } from '../setup/mid-run.ts';
import { type Receiver, startReceiver } from '../setup/receiver.ts';
import { until } from '../setup/until.ts';

const SECRET = `whsec_${Buffer.from('a secret of the integrator').toString('base64')}`;
const MAIL = 'GMAIL_SEND_EMAIL';

let bellhop: TestBellhop;
let mid: MidRun;
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
  bellhop = await startTestBellhop({ settings: { webhook: { url: receiver.url, secret: SECRET } } });
  mid = createMidRun(bellhop);
});
afterAll(async () => {
  await bellhop.close();
  await receiver.close();
});

const mail = (text: string) => ({
  name: MAIL,
  arguments: { recipient_email: 'bob@example.test', subject: text, body: text },
});
/** Longer than several polls of a flow: long enough for what must not happen to happen. */
const aWhile = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 900));

async function answerOnce(
  userId: string,
  skip: number,
  error: { status: number; body: object },
): Promise<void> {
  const match = { userId, route: 'tools.execute' };
  await bellhop.sandbox.addFault({ match, skip, times: 1, action: { type: 'status', ...error } });
}

/** Deliveries overtake each other: waits until all that are expected have come, and no more came with them. */
async function expectTold(
  userId: string,
  counts: { readonly expired: number; readonly waiting: number; readonly completed: number },
): Promise<void> {
  const seen = () => ({
    expired: receiver.of(userId, 'connection.expired').length,
    waiting: receiver.of(userId, 'run.waiting_for_connection').length,
    completed: receiver.of(userId, 'run.completed').length,
  });
  const names = ['expired', 'waiting', 'completed'] as const;
  const isThere = async (): Promise<boolean> => names.every((name) => seen()[name] >= counts[name]);
  await until('the notices', isThere, PATIENCE_MS);
  expect(seen()).toEqual(counts);
}

type Break = {
  readonly name: string;
  readonly reason: string;
  /** Whether Composio has an account that has stopped working; a deleted one is just missing. */
  readonly isTold: boolean;
  /** Arranges that the call number `nth` (from 0) meets the break. Gives what must be awaited once the run goes. */
  readonly arrange: (userId: string, accountId: string, nth: number) => Promise<() => Promise<void>>;
};
const atExecute = (change: (accountId: string) => Promise<unknown>): Break['arrange'] => {
  return (userId, accountId, nth) =>
    mid.breakAt({ userId, route: 'tools.execute', skip: nth }, () => change(accountId));
};
// The gate looks once, and each call once before it leaves.
const atLookUp = (change: (accountId: string) => Promise<unknown>): Break['arrange'] => {
  return (userId, accountId, nth) =>
    mid.breakAt({ userId, route: 'accounts.list', skip: nth + 1 }, () => change(accountId));
};
const answered = (status: number, code: number, slug: string): Break['arrange'] => {
  return async (userId, _accountId, nth) => {
    await answerOnce(userId, nth, { status, body: { error: { code, slug, status, message: 'no' } } });
    return async () => {};
  };
};
const BREAKS: readonly Break[] = [
  {
    name: 'expires while the call is on its way (410, 1820)',
    reason: 'expired',
    isTold: true,
    arrange: atExecute((id) => bellhop.sandbox.setStatus(id, 'EXPIRED')),
  },
  {
    name: 'is deleted while the call is on its way (404, 1810)',
    reason: 'missing',
    isTold: false,
    arrange: atExecute((id) => bellhop.sandbox.deleteAccount(id)),
  },
  {
    name: 'is said not to be connected (1803) although it is listed as ACTIVE',
    reason: 'missing',
    isTold: false,
    arrange: answered(400, 1803, 'ActionExecute_ConnectedAccountNotFound'),
  },
  {
    name: 'is said not to be connected (4302) although it is listed as ACTIVE',
    reason: 'missing',
    isTold: false,
    arrange: answered(404, 4302, 'ToolRouterV2_NoActiveConnection'),
  },
  {
    name: 'is said to be expired (1820) although it is listed as ACTIVE',
    reason: 'expired',
    isTold: true,
    arrange: answered(410, 1820, 'ActionExecute_ConnectedAccountExpired'),
  },
  {
    name: 'is revoked at the provider while Composio goes on saying ACTIVE',
    reason: 'revoked',
    isTold: true,
    arrange: atExecute((id) => bellhop.sandbox.revokeAtProvider(id)),
  },
  {
    name: 'becomes INACTIVE before the call',
    reason: 'inactive',
    isTold: true,
    arrange: atLookUp((id) => bellhop.sandbox.setStatus(id, 'INACTIVE')),
  },
  {
    name: 'is disabled before the call',
    reason: 'inactive',
    isTold: true,
    arrange: atLookUp((id) => bellhop.sandbox.updateAccount(id, { disabled: true })),
  },
];

describe.each([0, 2])('at call number %i of three, an account that', (nth) => {
  test.each(BREAKS)('$name parks the call, and the same call runs once after the reconnect', async (one) => {
    const userId = await mid.newUser();
    const old = await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const texts = ['first', 'second', 'third'].map((text) => `${text} ${userId}`);
    const turns = texts.map((text) => ({ toolCalls: [say(text)] }));
    const meet = await one.arrange(userId, old.id, nth);
    const task = scripted([...turns, { content: 'Sent three.' }]);
    const runId = await bellhop.start({ userId, task, tools: [SEND] });
    await meet();
    const run = await mid.parked(runId);
    expect(await mid.waitingOf(runId)).toMatchObject([{ app: 'slack', reason: one.reason }]);
    const call = (await mid.callsOf(runId))[nth];
    expect(call).toMatchObject({ status: 'waiting', tool: SEND });
    expect(run.usage.modelCalls).toBe(nth + 1);
    expect(await mid.textsOf(userId)).toEqual(texts.slice(0, nth));
    await expectTold(userId, { expired: one.isTold ? 1 : 0, waiting: 1, completed: 0 });
    const accountId = await mid.consent(userId);
    expect(await mid.ended(runId)).toMatchObject({
      status: 'completed',
      output: 'Sent three.',
      usage: { modelCalls: 4, toolCalls: 3 },
    });
    expect(await mid.textsOf(userId)).toEqual(texts);
    const effects = await bellhop.sandbox.journal({ userId });
    expect(effects.map((effect) => effect.accountId)).toEqual(
      texts.map((_, at) => (at < nth ? old.id : accountId)),
    );
    const after = (await mid.callsOf(runId))[nth];
    expect(after).toMatchObject({ id: call?.id, arguments: call?.arguments, status: 'done', accountId });
    expect(await mid.countEvents(runId, 'connection.required')).toBe(1);
    expect(await mid.countEvents(runId, 'connection.completed')).toBe(1);
    await expectTold(userId, { expired: one.isTold ? 1 : 0, waiting: 1, completed: 1 });
  });
});

describe('an account that was revoked at the provider while Composio says ACTIVE', () => {
  async function revoked() {
    const userId = await mid.newUser();
    const old = await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    await bellhop.sandbox.revokeAtProvider(old.id);
    const task = scripted([{ toolCalls: [say(userId)] }, { content: 'ok' }]);
    const runId = await bellhop.start({ userId, task, tools: [SEND] });
    await mid.parked(runId);
    return { userId, runId, flow: await mid.connect.open(userId), task, old };
  }
  const poke = async (runId: string, flow: Flow): Promise<void> => {
    await mid.connect.hint(flow);
    await bellhop.client.workflow
      .getHandle(runWorkflowId(runId))
      .signal('connection-completed', { app: 'slack' });
  };

  test('does NOT satisfy the flow that asks for another: no hint makes the call leave again, and nobody is told twice', async () => {
    const { userId, runId, flow } = await revoked();
    expect(await mid.executions(userId)).toBe(1);
    for (let i = 0; i < 3; i += 1) await poke(runId, flow);
    await aWhile();
    expect((await mid.connect.flowOf(flow)).status).toBe('open');
    expect((await bellhop.run(runId)).status).toBe('waiting_for_connection');
    expect(await mid.executions(userId)).toBe(1);
    await expectTold(userId, { expired: 1, waiting: 1, completed: 0 });
    await mid.consent(userId);
    expect((await mid.ended(runId)).status).toBe('completed');
    expect(await mid.textsOf(userId)).toEqual([userId]);
  });

  test('parks the user’s next run at its gate, with the same flow and before a model call is paid for', async () => {
    const { userId, runId, task, flow } = await revoked();
    const next = await bellhop.start({ userId, task, tools: [SEND] });
    expect((await mid.parked(next)).usage.modelCalls).toBe(0);
    expect(await mid.waitingOf(next)).toMatchObject([{ flowId: flow.id, reason: 'revoked' }]);
    await mid.consent(userId);
    for (const id of [runId, next]) expect((await mid.ended(id)).status).toBe('completed');
    expect(await mid.textsOf(userId)).toEqual([userId, userId]);
  });

  test('beside one that works is passed over: the call runs with that one, and nobody is asked or told', async () => {
    const userId = await mid.newUser();
    const works = await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const newest = await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    await bellhop.sandbox.revokeAtProvider(newest.id);
    const task = scripted([{ toolCalls: [say('one')] }, { toolCalls: [say('two')] }, { content: 'ok' }]);
    const runId = await bellhop.start({ userId, task, tools: [SEND] });
    expect((await mid.ended(runId)).status).toBe('completed');
    const effects = await bellhop.sandbox.journal({ userId });
    expect(effects.map(({ accountId }) => accountId)).toEqual([works.id, works.id]);
    expect(await mid.executions(userId)).toBe(3);
    expect(await mid.countEvents(runId, 'connection.required')).toBe(0);
    await expectTold(userId, { expired: 0, waiting: 0, completed: 1 });
  });

  test('makes way for an account that was made elsewhere', async () => {
    const { userId, runId, flow } = await revoked();
    const elsewhere = await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    await mid.connect.hint(flow);
    expect((await mid.ended(runId)).status).toBe('completed');
    expect(await bellhop.sandbox.journal({ userId })).toMatchObject([{ accountId: elsewhere.id }]);
  });

  test('beside a second one of its kind does NOT send the call back and forth: each is tried once, then the user is asked', async () => {
    const userId = await mid.newUser();
    const accounts = await bellhop.sandbox.seedAccounts([
      { userId, app: 'slack' },
      { userId, app: 'slack' },
    ]);
    for (const { id } of accounts) await bellhop.sandbox.revokeAtProvider(id);
    const task = scripted([{ toolCalls: [say(userId)] }, { content: 'ok' }]);
    const runId = await bellhop.start({ userId, task, tools: [SEND] });
    await mid.parked(runId);
    expect(await mid.executions(userId)).toBe(2);
    expect(await mid.countEvents(runId, 'connection.required')).toBe(1);
    const flow = await mid.connect.open(userId);
    for (let i = 0; i < 3; i += 1) await poke(runId, flow);
    await aWhile();
    expect((await mid.connect.flowOf(flow)).status).toBe('open');
    expect(await mid.executions(userId)).toBe(2);
    await expectTold(userId, { expired: 1, waiting: 1, completed: 0 });
    await mid.consent(userId);
    expect((await mid.ended(runId)).status).toBe('completed');
    expect(await mid.textsOf(userId)).toEqual([userId]);
  });

  test('ends the run as connection_timeout when nobody reconnects, and the call was never sent again', async () => {
    const userId = await mid.newUser();
    const old = await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    await bellhop.sandbox.revokeAtProvider(old.id);
    const task = scripted([{ toolCalls: [say(userId)] }]);
    const runId = await bellhop.start({ userId, task, tools: [SEND], connectTimeoutMs: 1_200 });
    expect((await mid.ended(runId)).error?.code).toBe('connection_timeout');
    expect((await mid.callsOf(runId)).map((call) => call.status)).toEqual(['failed']);
    expect(await mid.executions(userId)).toBe(1);
    expect(await mid.textsOf(userId)).toEqual([]);
  });
});

test('parallel calls of two apps that both break park on a flow each; each goes on with its own reconnect', async () => {
  const userId = await mid.newUser();
  const accounts = await bellhop.sandbox.seedAccounts([
    { userId, app: 'slack' },
    { userId, app: 'gmail' },
  ]);
  for (const { id } of accounts) await bellhop.sandbox.revokeAtProvider(id);
  const task = scripted([{ toolCalls: [say('said'), mail('mailed')] }, { content: 'Both.' }]);
  const runId = await bellhop.start({ userId, task, tools: [SEND, MAIL] });
  await until('both calls to wait', async () => (await mid.waitingOf(runId)).length === 2, PATIENCE_MS);
  await expectTold(userId, { expired: 2, waiting: 2, completed: 0 });
  await mid.consent(userId, 'gmail');
  await until('the mail', async () => (await mid.textsOf(userId)).length === 1, PATIENCE_MS);
  expect(await mid.textsOf(userId)).toEqual(['mailed']);
  expect((await mid.waitingOf(runId)).map(({ app }) => app)).toEqual(['slack']);
  expect((await bellhop.run(runId)).status).toBe('waiting_for_connection');
  await mid.consent(userId, 'slack');
  expect(await mid.ended(runId)).toMatchObject({
    status: 'completed',
    usage: { modelCalls: 2, toolCalls: 2 },
  });
  expect(await mid.textsOf(userId)).toEqual(['mailed', 'said']);
  await expectTold(userId, { expired: 2, waiting: 2, completed: 1 });
  const told = receiver.of(userId, 'connection.expired').map(({ body }) => body.data['app']);
  expect([told.length, new Set(told)]).toEqual([2, new Set(['gmail', 'slack'])]);
});

test('one consent wakes twenty runs that are parked on Slack, each effect happens once, and NO other user’s run moves', async () => {
  const [userId, stranger] = [await mid.newUser(), await mid.newUser()];
  for (const owner of [userId, stranger]) {
    const { id } = await bellhop.sandbox.seedAccount({ userId: owner, app: 'slack' });
    await bellhop.sandbox.revokeAtProvider(id);
  }
  const start = (owner: string, text: string) =>
    bellhop.start({
      userId: owner,
      task: scripted([{ toolCalls: [say(text)] }, { content: 'ok' }]),
      tools: [SEND],
    });
  const texts = Array.from({ length: 20 }, (_, at) => `message ${at}`);
  const runs = await Promise.all(texts.map((text) => start(userId, text)));
  const foreign = await start(stranger, 'foreign');
  for (const id of [...runs, foreign]) await mid.parked(id);
  expect(new Set((await Promise.all(runs.map(mid.waitingOf))).flat().map(({ flowId }) => flowId)).size).toBe(
    1,
  );
  await expectTold(userId, { expired: 1, waiting: 20, completed: 0 });
  const accountId = await mid.consent(userId);
  for (const id of runs) expect((await mid.ended(id)).status).toBe('completed');
  expect((await mid.textsOf(userId)).toSorted()).toEqual(texts.toSorted());
  const accounts = (await bellhop.sandbox.journal({ userId })).map((effect) => effect.accountId);
  expect(new Set(accounts)).toEqual(new Set([accountId]));
  expect((await bellhop.run(foreign)).status).toBe('waiting_for_connection');
  expect(await mid.textsOf(stranger)).toEqual([]);
  await expectTold(userId, { expired: 1, waiting: 20, completed: 20 });
  await bellhop.client.workflow.getHandle(runWorkflowId(foreign)).cancel();
});

test('a user who picks another account at the provider acts with that one from then on', async () => {
  const userId = await mid.newUser();
  const old = await bellhop.sandbox.seedAccount({ userId, app: 'slack', accountName: 'old@example.test' });
  const meet = await mid.breakAt({ userId, route: 'tools.execute', skip: 0 }, () =>
    bellhop.sandbox.setStatus(old.id, 'EXPIRED'),
  );
  const task = scripted([{ toolCalls: [say('one')] }, { toolCalls: [say('two')] }, { content: 'ok' }]);
  const runId = await bellhop.start({ userId, task, tools: [SEND] });
  await meet();
  await mid.parked(runId);
  const accountId = await mid.consent(userId, 'slack', 'other@example.test');
  expect((await mid.ended(runId)).status).toBe('completed');
  expect((await bellhop.sandbox.account(accountId)).accountName).toBe('other@example.test');
  const effects = await bellhop.sandbox.journal({ userId });
  expect(effects.map((effect) => effect.accountId)).toEqual([accountId, accountId]);
});

test('a call that is refused because its account was replaced meanwhile goes on with the new one, and nobody is asked', async () => {
  const userId = await mid.newUser();
  const first = await mid.connect.open(userId);
  const click = await mid.connect.click(first);
  await bellhop.sandbox.consent(click.redirectUrl, 'approve');
  await mid.connect.complete(first, click);
  let accountId = '';
  const meet = await mid.breakAt({ userId, route: 'tools.execute', skip: 0 }, async () => {
    const again = await mid.connect.open(userId, { reconnect: true });
    const second = await mid.connect.click(again);
    await bellhop.sandbox.consent(second.redirectUrl, 'approve');
    await mid.connect.complete(again, second);
    accountId = second.accountId;
    await until(
      'the old account to go',
      async () => (await mid.connect.accounts(userId)).length === 1,
      PATIENCE_MS,
    );
  });
  const task = scripted([{ toolCalls: [say(userId)] }, { content: 'ok' }]);
  const runId = await bellhop.start({ userId, task, tools: [SEND] });
  await meet();
  expect((await mid.ended(runId)).status).toBe('completed');
  expect(await bellhop.sandbox.journal({ userId })).toMatchObject([{ accountId }]);
  expect(await mid.countEvents(runId, 'connection.required')).toBe(0);
});
