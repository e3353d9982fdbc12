/** Signals are hints from anybody who reaches Temporal: what they carry may be anything, and must not wedge a run. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runWorkflowId } from '../../workflows/messages.ts';
import { type TestBellhop, startTestBellhop } from '../setup/bellhop.ts';
import { until } from '../setup/until.ts';

let bellhop: TestBellhop;
beforeAll(async () => {
  bellhop = await startTestBellhop();
});
afterAll(() => bellhop.close());

test.each([
  ['no payload', []],
  ['null', [null]],
  ['a text', ['slack']],
  ['a number for the app', [{ app: 7 }]],
  ['another case', [{ app: 'SLACK' }]],
])(
  'a connection-completed with %s makes a waiting run look again, and it goes on once connected',
  async (_, args) => {
    const userId = `user-${randomUUID()}`;
    await bellhop.putUser(userId);
    const runId = await bellhop.start({ userId, task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'] });
    await bellhop.until(runId, (run) => run.status === 'waiting_for_connection');
    await bellhop.sandbox.seedAccount({ userId, app: 'slack', status: 'ACTIVE' });
    await bellhop.client.workflow
      .getHandle(runWorkflowId(runId))
      .signal('connection-completed', ...(args as []));
    expect((await bellhop.ended(runId)).status).toBe('completed');
  },
);

test('a connection-completed without an app that comes while the run looks makes it look again', async () => {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  const barrier = randomUUID();
  const fault = await bellhop.sandbox.addFault({
    match: { route: 'accounts.list', userId },
    action: { type: 'hold', barrier },
  });
  const runId = await bellhop.start({ userId, task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'] });
  await bellhop.sandbox.waitForBarrier(barrier);
  await bellhop.client.workflow.getHandle(runWorkflowId(runId)).signal('connection-completed', null);
  await bellhop.sandbox.removeFault(fault.id);
  await bellhop.sandbox.releaseBarrier(barrier);
  await until('a second look', async () => {
    const looks = await bellhop.sandbox.countRequests({ route: 'accounts.list', userId });
    return looks === 2;
  });
  await bellhop.until(runId, (run) => run.status === 'waiting_for_connection');
});
