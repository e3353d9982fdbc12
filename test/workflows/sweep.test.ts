/** The sweep: what got lost is found again, and nothing else is touched. Clocks are moved in the rows, not waited for. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SweepResult } from '../../activities/sweep-activities.ts';
import { getAttempt, moveAttempt } from '../../db/attempts.ts';
import { getAudit, openAudit } from '../../db/audits.ts';
import { listEvents } from '../../db/events.ts';
import { completeFlow } from '../../db/flows.ts';
import { addNotice } from '../../db/notices.ts';
import { requestCancel } from '../../db/runs.ts';
import { asSystem, forUser } from '../../db/scope.ts';
import { listToolCalls } from '../../db/transcript.ts';
import { SWEEP, progressQuery, runWorkflowId } from '../../workflows/messages.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createConnect } from '../setup/connect.ts';
import { type Receiver, startReceiver } from '../setup/receiver.ts';
import { until } from '../setup/until.ts';

let bellhop: TestBellhop;
let connect: ReturnType<typeof createConnect>;
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
  bellhop = await startTestBellhop({
    settings: { webhook: { url: receiver.url, secret: 'a secret of the integrator' } },
  });
  connect = createConnect(bellhop);
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
const sweep = async (): Promise<SweepResult> =>
  (await bellhop.client.workflow.execute(SWEEP, {
    workflowId: `sweep-${randomUUID()}`,
    taskQueue: bellhop.taskQueue,
  })) as SweepResult;
/** Moves an instant of a row an hour back, as the system role. */
async function backdate(table: string, column: string, id: string): Promise<void> {
  const client = new pg.Client({ connectionString: bellhop.databaseUrl });
  await client.connect();
  await client.query('set role bellhop_system');
  const { rowCount } = await client.query(
    `update ${table} set ${column} = now() - interval '1 hour' where id = $1`,
    [id],
  );
  await client.end();
  if (rowCount !== 1) throw new Error(`${table} has no ${id}`);
}
const send = (userId: string) => ({ userId, task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'] });
const eventTypes = async (runId: string): Promise<string[]> =>
  (await asSystem(bellhop.db, (tx) => listEvents(tx, runId, { after: 0, limit: 100 }))).map(
    (event) => event.type,
  );

// What an attempt that failed has left is no find of the next one.
beforeEach(async () => void (await sweep()));

describe('a run', () => {
  test('that was accepted and never started is started, once, and not before its acceptance had its time', async () => {
    const userId = await newUser();
    await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const runId = await bellhop.accept(send(userId));
    expect(await sweep()).toMatchObject({ started: 0, failedParts: 0 });
    await backdate('runs', 'created_at', runId);
    const [one, two] = await Promise.all([sweep(), sweep()]);
    expect(one.started + two.started).toBe(1);
    expect((await bellhop.ended(runId)).status).toBe('completed');
    expect(await bellhop.sandbox.journal({ userId })).toHaveLength(1);
    expect((await sweep()).started).toBe(0);
  });

  test('whose workflow was terminated is workflow_lost, its thread is free, its call’s outcome unknown, and that is told', async () => {
    const userId = await newUser();
    const barrier = randomUUID();
    await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    await bellhop.sandbox.addFault({
      match: { route: 'tools.execute', userId },
      action: { type: 'hold', barrier },
    });
    const runId = await bellhop.start({ ...send(userId), threadId: 'thread' });
    await bellhop.sandbox.waitForBarrier(barrier);
    await bellhop.client.workflow.getHandle(runWorkflowId(runId)).terminate('by a test');
    await expect(bellhop.accept({ ...send(userId), threadId: 'thread' })).rejects.toThrow('thread_busy');
    expect((await sweep()).lost).toBe(0);
    await backdate('runs', 'updated_at', runId);
    expect((await sweep()).lost).toBe(1);
    expect(await bellhop.run(runId)).toMatchObject({ status: 'failed', error: { code: 'workflow_lost' } });
    const calls = await asSystem(bellhop.db, (tx) => listToolCalls(tx, runId));
    expect(calls.map((call) => call.status)).toEqual(['unknown']);
    expect((await eventTypes(runId)).slice(-2)).toEqual(['tool.unknown', 'run.failed']);
    await until('the integrator to be told', async () => receiver.of(userId, 'run.failed').length === 1);
    await bellhop.accept({ ...send(userId), threadId: 'thread' });
    await bellhop.sandbox.releaseBarrier(barrier);
  });

  test('that is quiet because it waits is left alone', async () => {
    const userId = await newUser();
    const runId = await bellhop.start(send(userId));
    await bellhop.until(runId, (run) => run.status === 'waiting_for_connection');
    await backdate('runs', 'updated_at', runId);
    expect((await sweep()).lost).toBe(0);
    expect((await bellhop.run(runId)).updatedAt.getTime()).toBeGreaterThan(Date.now() - 60_000);
    await bellhop.client.workflow.getHandle(runWorkflowId(runId)).cancel();
    await bellhop.ended(runId);
  });

  test('whose wake-up got lost is woken', async () => {
    const userId = await newUser();
    const runId = await bellhop.start(send(userId));
    await bellhop.until(runId, (run) => run.status === 'waiting_for_connection');
    const flow = await connect.open(userId);
    // The row says so a moment before the activity has started the flow's workflow; the run's own workflow, after it.
    const workflow = bellhop.client.workflow.getHandle(runWorkflowId(runId));
    await until(
      'the workflow waits',
      async () => (await workflow.query(progressQuery)).waitingFor.length > 0,
    );
    // An activity outlives its workflow, and one that is on its way would find the account and wake the run.
    const flowWorkflow = bellhop.client.workflow.getHandle(`connect-${flow.id}`);
    await until('the flow’s workflow rests', async () => {
      const { raw, historyLength } = await flowWorkflow.describe();
      return historyLength > 8 && (raw.pendingActivities ?? []).length === 0 && !raw.pendingWorkflowTask;
    });
    // The flow's workflow is gone, and completes by a row alone: nobody says a word to the run.
    await flowWorkflow.terminate();
    const account = await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    await forUser(bellhop.db, userId, (tx) => completeFlow(tx, flow, account.id));
    expect((await sweep()).woken).toBe(0);
    await backdate('connection_flows', 'ended_at', flow.id);
    expect((await sweep()).woken).toBe(1);
    expect((await bellhop.ended(runId)).status).toBe('completed');
    expect((await sweep()).woken).toBe(0);
  });

  test('whose cancellation nobody heard is cancelled, started or not', async () => {
    const [waits, unstarted] = [await newUser(), await newUser()];
    const runs = [await bellhop.start(send(waits)), await bellhop.accept(send(unstarted))];
    await bellhop.until(runs[0] ?? '', (run) => run.status === 'waiting_for_connection');
    for (const runId of runs) {
      await asSystem(bellhop.db, (tx) => requestCancel(tx, runId));
      await backdate('runs', 'cancel_requested_at', runId);
    }
    expect((await sweep()).cancelled).toBe(2);
    for (const runId of runs) expect((await bellhop.ended(runId)).status).toBe('cancelled');
    for (const userId of [waits, unstarted]) expect(await bellhop.sandbox.journal({ userId })).toEqual([]);
  });
});

/** A look of a flow's workflow that was terminated meanwhile: it would see a consent that comes now. */
const whatItHadBegun = () => new Promise((resolve) => setTimeout(resolve, 2_000));

describe('a flow', () => {
  test('past its time whose workflow is gone expires, and the account of its click is deleted', async () => {
    const userId = await newUser();
    const flow = await connect.open(userId);
    await bellhop.client.workflow.getHandle(`connect-${flow.id}`).terminate();
    const click = await connect.click(flow);
    await bellhop.client.workflow.getHandle(`connect-${flow.id}`).terminate();
    await whatItHadBegun();
    await bellhop.sandbox.consent(click.redirectUrl, 'approve');
    expect((await sweep()).expired).toBe(0);
    await backdate('connection_flows', 'expires_at', flow.id);
    expect(await sweep()).toMatchObject({ expired: 1, cleaned: 1 });
    expect(await connect.flowOf(flow)).toMatchObject({ status: 'expired', accountId: null });
    expect(await connect.accounts(userId)).toEqual([]);
  });
});

describe('an account of an ended attempt', () => {
  test('is deleted at Composio, again and again until Composio does it', async () => {
    const userId = await newUser();
    const flow = await connect.open(userId);
    const click = await connect.click(flow);
    await bellhop.client.workflow.getHandle(`connect-${flow.id}`).terminate();
    await whatItHadBegun();
    const refusal = await bellhop.sandbox.addFault({
      match: { method: 'DELETE' },
      action: { type: 'status', status: 500 },
    });
    await forUser(bellhop.db, userId, (tx) =>
      moveAttempt(tx, click.attempt.id, { from: ['open'], to: 'failed' }),
    );
    expect(await sweep()).toMatchObject({ cleaned: 0, failedParts: 0 });
    expect(await connect.accounts(userId)).toEqual([click.accountId]);
    await bellhop.sandbox.removeFault(refusal.id);
    expect((await sweep()).cleaned).toBe(1);
    expect(await connect.accounts(userId)).toEqual([]);
    expect((await sweep()).cleaned).toBe(0);
    expect((await forUser(bellhop.db, userId, (tx) => getAttempt(tx, click.attempt.id)))?.status).toBe(
      'failed',
    );
  });
});

describe('an audit', () => {
  test('whose workflow is gone is closed as failed, so that the next one can run', async () => {
    const id = randomUUID();
    await asSystem(bellhop.db, (tx) => openAudit(tx, { id, mode: 'users', workflowId: `audit-${id}` }));
    expect((await sweep()).lost).toBe(0);
    await backdate('audits', 'started_at', id);
    expect((await sweep()).lost).toBe(1);
    expect((await asSystem(bellhop.db, (tx) => getAudit(tx, id)))?.status).toBe('failed');
  });
});

describe('a delivery', () => {
  test('whose workflow never started is delivered', async () => {
    const userId = await newUser();
    await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    receiver.answer(userId, { status: 500 });
    const runId = await bellhop.start(send(userId));
    await bellhop.ended(runId);
    const [first] = await until('the first attempt', async () => {
      const seen = receiver.of(userId, 'run.completed');
      return seen.length > 0 ? seen : null;
    });
    const noticeId = first?.headers['webhook-id'] ?? '';
    await bellhop.client.workflow.getHandle(`notice-${noticeId}`).terminate();
    expect((await sweep()).delivered).toBe(0);
    const client = new pg.Client({ connectionString: bellhop.databaseUrl });
    await client.connect();
    await client.query('set role bellhop_system');
    await client.query(`update deliveries set updated_at = now() - interval '1 hour' where notice_id = $1`, [
      noticeId,
    ]);
    await client.end();
    expect((await sweep()).delivered).toBe(1);
    await until('the delivery', async () => receiver.of(userId, 'run.completed').length === 2);
    expect(receiver.of(userId, 'run.completed')[1]?.headers['webhook-id']).toBe(noticeId);
  });

  test('that nobody has tried is started within a minute, for its maker may have been killed before', async () => {
    const userId = await newUser();
    const [key, flowId, runId, app] = [randomUUID(), null, null, null];
    const notice = { userId, type: 'run.completed' as const, dedupeKey: key, app, flowId, runId, data: {} };
    const noticeId = await forUser(bellhop.db, userId, (tx) => addNotice(tx, notice, ['webhook']));
    expect((await sweep()).delivered).toBe(0);
    const client = new pg.Client({ connectionString: bellhop.databaseUrl });
    await client.connect();
    await client.query('set role bellhop_system');
    await client.query(
      `update deliveries set updated_at = now() - interval '31 seconds' where notice_id = $1`,
      [noticeId],
    );
    await client.end();
    expect((await sweep()).delivered).toBe(1);
    await until('the delivery', async () => receiver.of(userId, 'run.completed').length === 1);
    expect(receiver.of(userId, 'run.completed')[0]?.headers['webhook-id']).toBe(noticeId);
  });
});

test('a part that fails does not stop the others', async () => {
  const userId = await newUser();
  await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  const runId = await bellhop.accept(send(userId));
  await backdate('runs', 'created_at', runId);
  const client = new pg.Client({ connectionString: bellhop.databaseUrl });
  await client.connect();
  await client.query('alter table flow_waiters rename to flow_waiters_away');
  const result = await sweep();
  await client.query('alter table flow_waiters_away rename to flow_waiters');
  await client.end();
  expect(result.failedParts).toBe(1);
  await bellhop.client.workflow.getHandle(runWorkflowId(runId)).result();
  expect((await bellhop.ended(runId)).status).toBe('completed');
});
