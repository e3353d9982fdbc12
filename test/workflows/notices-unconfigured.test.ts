/** Without a receiver nothing is sent, and what was written for one is marked skipped. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addNotice, getDelivery, listDeliveries } from '../../db/notices.ts';
import { asSystem, forUser } from '../../db/scope.ts';
import { DELIVER_NOTICE, noticeWorkflowId } from '../../workflows/messages.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';

let bellhop: TestBellhop;
beforeAll(async () => {
  bellhop = await startTestBellhop();
});
afterAll(() => bellhop.close());

test('a notice from the time of a receiver is skipped', async () => {
  await bellhop.putUser('alice');
  const notice = {
    userId: 'alice',
    type: 'run.failed',
    dedupeKey: randomUUID(),
    app: null,
    flowId: null,
    runId: null,
    data: {},
  } as const;
  const noticeId = (await forUser(bellhop.db, 'alice', (tx) => addNotice(tx, notice, ['webhook']))) ?? '';
  const result = await bellhop.client.workflow.execute(DELIVER_NOTICE, {
    workflowId: noticeWorkflowId(noticeId),
    taskQueue: bellhop.taskQueue,
    args: [{ noticeId, userId: 'alice' }],
  });
  expect(result).toEqual({ status: 'skipped' });
  expect(await forUser(bellhop.db, 'alice', (tx) => getDelivery(tx, noticeId))).toMatchObject({
    status: 'skipped',
  });
});

test('a run that waits and one that ends write no delivery', async () => {
  await bellhop.putUser('bob');
  await bellhop.sandbox.seedAccount({ userId: 'bob', app: 'gmail', status: 'EXPIRED' });
  const runId = await bellhop.start({
    userId: 'bob',
    task: 'Mail',
    tools: ['GMAIL_SEND_EMAIL'],
    onMissingConnection: 'fail',
  });
  expect((await bellhop.ended(runId)).error?.code).toBe('connection_required');
  const deliveries = await asSystem(bellhop.db, (tx) => listDeliveries(tx, { before: null, limit: 99 }));
  expect(deliveries.filter(({ delivery }) => delivery.userId === 'bob')).toEqual([]);
});
