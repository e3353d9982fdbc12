/**
 * Records a history of each workflow at each point where it waits, for replay.test.ts. Not part of a usual run:
 * `RECORD_HISTORIES=1 npx vitest run test/histories/record.test.ts`. What was recorded stays: a workflow that changes must
 * go on replaying the old files, and adds new ones under new names.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, test } from 'vitest';
import { startRun } from '../../api/start-run.ts';
import { beginErasure } from '../../db/erasures.ts';
import { completeFlow, listOpenFlows } from '../../db/flows.ts';
import { addNotice } from '../../db/notices.ts';
import { asSystem, asSystemOnce, forUser } from '../../db/scope.ts';
import { addWebhookEvent } from '../../db/webhook-events.ts';
import {
  AUDIT_CONNECTIONS,
  DELIVER_NOTICE,
  ERASE_USER,
  RETENTION,
  SWEEP,
  deliveryRetrySignal,
  eraseWorkflowId,
  SETTLE_WEBHOOK_EVENTS,
  webhookEventArrivedSignal,
  webhookEventsWorkflowId,
} from '../../workflows/messages.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createConnect } from '../setup/connect.ts';
import { approve, resolve } from '../setup/decide.ts';
import { type Receiver, startReceiver } from '../setup/receiver.ts';
import { until } from '../setup/until.ts';
import { readHistory, saveHistory } from './replay.ts';

const isRecording = process.env['RECORD_HISTORIES'] === '1';
let bellhop: TestBellhop;
let receiver: Receiver;
let connect: ReturnType<typeof createConnect>;
beforeAll(async () => {
  if (!isRecording) return;
  receiver = await startReceiver();
  bellhop = await startTestBellhop({ settings: { userRuns: 1, webhook: { url: receiver.url, secret: 'a secret of the integrator' } } });
  connect = createConnect(bellhop);
});
afterAll(async () => {
  await bellhop?.close();
  await receiver?.close();
});

/** Keeps what is there: a recorded history is a promise. */
async function record(name: string, workflowId: string): Promise<void> {
  // What the workflow was just told is in its history a moment later.
  await new Promise((resolve) => setTimeout(resolve, 300));
  if (!existsSync(join(import.meta.dirname, `${name}.json`)))
    saveHistory(name, workflowId, await readHistory(bellhop.client, workflowId));
}
const newUser = async (userId: string): Promise<string> => {
  await bellhop.putUser(userId);
  return userId;
};
const resultOf = (workflowId: string): Promise<unknown> => bellhop.client.workflow.getHandle(workflowId).result();
const send = (text: string) => ({ name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: text } });
const tools = ['SLACK_SEND_MESSAGE'];

test.runIf(isRecording)('agentRun', async () => {
  const waits = await newUser('waits');
  const gated = await bellhop.start({ userId: waits, task: 'Tell #general hello', tools });
  await bellhop.until(gated, (run) => run.status === 'waiting_for_connection');
  await record('agent-run-waits-at-the-gate', `run-${gated}`);
  const flow = await connect.open(waits);
  await record('connect-account-waits-for-a-click', `connect-${flow.id}`);
  const click = await connect.click(flow);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await record('connect-account-polls', `connect-${flow.id}`);
  await bellhop.sandbox.consent(click.redirectUrl, 'approve');
  await bellhop.ended(gated);
  await resultOf(`run-${gated}`);
  await resultOf(`connect-${flow.id}`);
  await record('agent-run-completes-after-the-gate', `run-${gated}`);
  await record('connect-account-completes-by-polling', `connect-${flow.id}`);

  const quiet = await newUser('quiet');
  const gatedToo = await bellhop.start({ userId: quiet, task: 'Tell #general hello', tools });
  await bellhop.until(gatedToo, (run) => run.status === 'waiting_for_connection');
  const [opened] = await forUser(bellhop.db, quiet, (tx) => listOpenFlows(tx, quiet));
  if (!opened) throw new Error('no flow');
  await record('connect-account-waits-quietly', `connect-${opened.id}`);
  await record('agent-run-waits-at-the-gate-for-a-row', `run-${gatedToo}`);
  await connect.hint(opened);
  await record('connect-account-waits-after-a-hint', `connect-${opened.id}`);
  const made = await bellhop.sandbox.seedAccount({ userId: quiet, app: 'slack' });
  await forUser(bellhop.db, quiet, (tx) => completeFlow(tx, opened, made.id));
  await connect.hint(opened);
  await resultOf(`connect-${opened.id}`);
  await record('connect-account-completes-in-place', `connect-${opened.id}`);
  await resultOf(`run-${gatedToo}`);
  await record('agent-run-completes-after-a-row', `run-${gatedToo}`);

  const busy = await newUser('busy');
  const account = await bellhop.sandbox.seedAccount({ userId: busy, app: 'slack' });
  const match = { route: 'tools.execute', userId: busy };
  await bellhop.sandbox.addFault({ match, action: { type: 'hold', barrier: 'b' } });
  const task = scripted([{ toolCalls: [send('a'), send('b'), send('c')] }, { toolCalls: [send('d')] }, { content: 'Done.' }]);
  const parallel = await bellhop.start({ userId: busy, task, tools });
  await bellhop.sandbox.waitForBarrier('b', 3);
  await record('agent-run-waits-for-tools', `run-${parallel}`);
  await bellhop.sandbox.releaseBarrier('b');
  await bellhop.ended(parallel);
  await resultOf(`run-${parallel}`);
  await record('agent-run-completes-with-parallel-calls', `run-${parallel}`);

  const late = scripted([{ toolCalls: [send('e')], fault: { kind: 'latency', ms: 1_500 } }, { content: 'Done.' }]);
  const parked = await bellhop.start({ userId: busy, task: late, tools });
  await bellhop.until(parked, (run) => run.startedAt !== null);
  await record('agent-run-waits-for-the-model', `run-${parked}`);
  await bellhop.sandbox.setStatus(account.id, 'EXPIRED');
  await bellhop.until(parked, (run) => run.status === 'waiting_for_connection');
  await new Promise((resolve) => setTimeout(resolve, 300));
  await record('agent-run-waits-in-a-call', `run-${parked}`);
  await bellhop.client.workflow.getHandle(`run-${parked}`).cancel();
  await resultOf(`run-${parked}`);
  await record('agent-run-cancelled-in-a-call', `run-${parked}`);

  const nobody = await newUser('nobody');
  const timed = await bellhop.start({ userId: nobody, task: 'x', tools, connectTimeoutMs: 500 });
  await resultOf(`run-${timed}`);
  await record('agent-run-connection-timeout', `run-${timed}`);
  const failed = await bellhop.start({ userId: nobody, task: 'x', tools, onMissingConnection: 'fail' });
  await resultOf(`run-${failed}`);
  await record('agent-run-fails-at-the-gate', `run-${failed}`);
  const limited = await bellhop.start({
    userId: await newUser('limited').then(async (userId) => {
      await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
      return userId;
    }),
    task: scripted([{ toolCalls: [send('f')] }]),
    tools,
    limits: { maxTurns: 1 },
  });
  await resultOf(`run-${limited}`);
  await record('agent-run-turn-limit', `run-${limited}`);
  const short = await connect.open(nobody, { app: 'gmail', timeoutMs: 500 });
  await resultOf(`connect-${short.id}`);
  await record('connect-account-expires', `connect-${short.id}`);
});

test.runIf(isRecording)('agentRun with people', async () => {
  const userId = await newUser('decided');
  await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  const task = scripted([{ toolCalls: [send('a')] }, { content: 'Done.' }]);
  const callId = 'call_1_0';

  const asked = await bellhop.start({ userId, task, tools, requireApproval: 'writes' });
  await bellhop.until(asked, (run) => run.status === 'waiting_for_approval');
  await record('agent-run-waits-for-an-approval', `run-${asked}`);
  await approve(bellhop, { userId, runId: asked, callId });
  await resultOf(`run-${asked}`);
  await record('agent-run-completes-after-an-approval', `run-${asked}`);

  const match = { route: 'tools.execute', userId };
  const doubtful = { type: 'status', status: 500, afterEffect: true } as const;
  await bellhop.sandbox.addFault({ match, action: doubtful, times: 1 });
  const unknown = await bellhop.start({ userId, task, tools, onUnknownOutcome: 'wait' });
  await bellhop.until(unknown, (run) => run.status === 'waiting_for_resolution');
  await record('agent-run-waits-for-a-resolution', `run-${unknown}`);
  await resolve(bellhop, { userId, runId: unknown, callId }, 'done');
  await resultOf(`run-${unknown}`);
  await record('agent-run-completes-after-a-resolution', `run-${unknown}`);

  await bellhop.sandbox.addFault({ match, action: { type: 'hold', barrier: 'line' } });
  const first = await bellhop.start({ userId, task, tools });
  await bellhop.sandbox.waitForBarrier('line', 1);
  const next = await bellhop.start({ userId, task, tools });
  await bellhop.until(next, (run) => run.startedAt !== null);
  await record('agent-run-waits-in-line', `run-${next}`);
  await bellhop.sandbox.releaseBarrier('line');
  await resultOf(`run-${first}`);
  await resultOf(`run-${next}`);
  await record('agent-run-completes-after-the-line', `run-${next}`);
});

// As the API starts them; the ones above lack the search attributes, and never say what they are at.
test.runIf(isRecording)('agentRun with search attributes', async () => {
  const start = async (run: Parameters<TestBellhop['accept']>[0]): Promise<string> => {
    const id = await bellhop.accept(run);
    const { userId } = run;
    const wait = { waitForCheck: false, deadline: 0 };
    await startRun(bellhop.client, bellhop.taskQueue, { id, userId, apps: ['slack'] }, wait);
    return id;
  };
  const task = scripted([{ toolCalls: [send('a')] }, { content: 'Done.' }]);
  const gated = await start({ userId: await newUser('seen-waiting'), task, tools });
  await bellhop.until(gated, (run) => run.status === 'waiting_for_connection');
  await record('agent-run-waits-at-the-gate-with-attributes', `run-${gated}`);

  const userId = await newUser('seen');
  await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  const match = { route: 'tools.execute', userId };
  const doubtful = { type: 'status', status: 500, afterEffect: true } as const;
  await bellhop.sandbox.addFault({ match, action: doubtful, times: 2 });
  const unknown = await start({ userId, task, tools });
  await resultOf(`run-${unknown}`);
  await record('agent-run-completes-with-an-unknown-outcome', `run-${unknown}`);
  const settled = await start({ userId, task, tools, onUnknownOutcome: 'wait' });
  await bellhop.until(settled, (run) => run.status === 'waiting_for_resolution');
  await record('agent-run-waits-for-a-resolution-with-attributes', `run-${settled}`);
  await resolve(bellhop, { userId, runId: settled, callId: 'call_1_0' }, 'done');
  await resultOf(`run-${settled}`);
  await record('agent-run-completes-after-a-resolution-with-attributes', `run-${settled}`);
});

test.runIf(isRecording)('auditConnections, deliverNotice and sweep', async () => {
  const userId = await newUser('told');
  await bellhop.sandbox.seedAccount({ userId, app: 'notion', status: 'EXPIRED' });
  const audit = (auditId: string) => ({
    workflowId: `audit-${auditId}`,
    taskQueue: bellhop.taskQueue,
    args: [{ auditId, mode: 'users' }] as [object],
  });
  await bellhop.sandbox.addFault({ match: { route: 'accounts.list' }, action: { type: 'hold', barrier: 'audit' }, times: 1 });
  const ids = [randomUUID(), randomUUID(), randomUUID()] as const;
  const running = await bellhop.client.workflow.start(AUDIT_CONNECTIONS, audit(ids[0]));
  await bellhop.sandbox.waitForBarrier('audit');
  await record('audit-connections-runs', running.workflowId);
  await bellhop.client.workflow.execute(AUDIT_CONNECTIONS, audit(ids[1]));
  await record('audit-connections-busy', `audit-${ids[1]}`);
  await running.cancel();
  await running.result();
  await record('audit-connections-cancelled', running.workflowId);
  await bellhop.client.workflow.execute(AUDIT_CONNECTIONS, audit(ids[2]));
  await record('audit-connections-completes', `audit-${ids[2]}`);
  // The same since there are steps.
  await record('audit-connections-completes-in-steps', `audit-${ids[2]}`);
  await record('audit-connections-cancelled-in-a-step', running.workflowId);

  receiver.answer(userId, { status: 500 });
  const notice = { userId, type: 'run.failed', dedupeKey: 'x', app: null, flowId: null, runId: null, data: {} } as const;
  const noticeId = (await forUser(bellhop.db, userId, (tx) => addNotice(tx, notice, ['webhook']))) ?? '';
  const workflowId = `notice-${noticeId}`;
  const delivery = await bellhop.client.workflow.start(DELIVER_NOTICE, {
    workflowId,
    taskQueue: bellhop.taskQueue,
    args: [{ noticeId, userId }],
  });
  await until('the first attempt', async () => receiver.of(userId, 'run.failed').length === 1);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await record('deliver-notice-waits', workflowId);
  await delivery.result();
  await record('deliver-notice-delivers', workflowId);
  receiver.answer(userId, { status: 503, headers: { 'retry-after': '3600' } });
  const key = { ...notice, dedupeKey: 'y' };
  const urgedId = (await forUser(bellhop.db, userId, (tx) => addNotice(tx, key, ['webhook']))) ?? '';
  const urged = await bellhop.client.workflow.start(DELIVER_NOTICE, {
    workflowId: `notice-${urgedId}`,
    taskQueue: bellhop.taskQueue,
    args: [{ noticeId: urgedId, userId }],
  });
  await until('the first attempt', async () => receiver.of(userId, 'run.failed').length === 3);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await record('deliver-notice-waits-on-its-queue', urged.workflowId);
  await urged.signal(deliveryRetrySignal);
  await urged.result();
  await record('deliver-notice-delivers-when-urged', urged.workflowId);

  await bellhop.client.workflow.execute(SWEEP, { workflowId: 'sweep-recorded', taskQueue: bellhop.taskQueue });
  await record('sweep-completes', 'sweep-recorded');
});

test.runIf(isRecording)('settleWebhookEvents', async () => {
  const userId = await newUser('heard');
  const { id: accountId } = await bellhop.sandbox.seedAccount({ userId, app: 'notion', status: 'EXPIRED' });
  const event = { id: 'msg_recorded', type: 'composio.connected_account.expired', accountId, namedUser: userId };
  await asSystemOnce(bellhop.db, addWebhookEvent(event));
  await bellhop.sandbox.addFault({ match: { route: 'accounts.list' }, action: { type: 'hold', barrier: 'events' }, times: 1 });
  const workflowId = webhookEventsWorkflowId(bellhop.taskQueue);
  const options = { workflowId, taskQueue: bellhop.taskQueue, args: [] as [] };
  const handle = await bellhop.client.workflow.start(SETTLE_WEBHOOK_EVENTS, options);
  await bellhop.sandbox.waitForBarrier('events');
  await record('settle-webhook-events-waits', workflowId);
  await handle.signal(webhookEventArrivedSignal);
  await bellhop.sandbox.releaseBarrier('events');
  await handle.result();
  await record('settle-webhook-events-completes', workflowId);
});

test.runIf(isRecording)('eraseUser and retention', async () => {
  const userId = await newUser('erased');
  await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  await bellhop.sandbox.addFault({ match: { route: 'accounts.list', userId }, action: { type: 'hold', barrier: 'erase' }, times: 1 });
  const erasureId = randomUUID();
  await asSystem(bellhop.db, (tx) => beginErasure(tx, { id: erasureId, userId }));
  const workflowId = eraseWorkflowId(erasureId);
  const erasure = await bellhop.client.workflow.start(ERASE_USER, { workflowId, taskQueue: bellhop.taskQueue, args: [{ erasureId }] });
  await bellhop.sandbox.waitForBarrier('erase');
  await record('erase-user-waits-for-composio', workflowId);
  await bellhop.sandbox.releaseBarrier('erase');
  await erasure.result();
  await record('erase-user-completes', workflowId);
  await bellhop.client.workflow.execute(RETENTION, { workflowId: 'retention-recorded', taskQueue: bellhop.taskQueue, args: [] });
  await record('retention-completes', 'retention-recorded');
});
