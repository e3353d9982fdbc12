/** The two Schedules that a worker makes at its start, in a namespace of their own because their ids are fixed. */
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureSchedules } from '../../worker/schedules.ts';
import { AUDIT_SCHEDULE_ID, SWEEP_SCHEDULE_ID } from '../../workflows/messages.ts';
import { createTestNamespace, testTemporalAddress } from '../setup/temporal.ts';

let client: Client;
beforeAll(async () => {
  const namespace = await createTestNamespace();
  client = new Client({
    connection: await Connection.connect({ address: await testTemporalAddress() }),
    namespace,
  });
});
afterAll(() => client.connection.close());

const audit = () => client.schedule.getHandle(AUDIT_SCHEDULE_ID);
/** Server-side, a cron text becomes calendars; hours are enough to tell ours apart. */
const hours = async (): Promise<unknown> => (await audit().describe()).spec.calendars?.[0]?.hour;

test('are made once, with overlap SKIP and a catch-up window of hours for the audit', async () => {
  await ensureSchedules(client, { taskQueue: 'q', auditCron: '0 3 * * *' });
  const before = await audit().describe();
  expect(before.policies).toMatchObject({ overlap: 'SKIP', catchupWindow: 6 * 3_600_000 });
  expect(before.action).toMatchObject({ workflowType: 'auditConnections', taskQueue: 'q' });
  const sweep = await client.schedule.getHandle(SWEEP_SCHEDULE_ID).describe();
  expect(sweep.action).toMatchObject({ workflowType: 'sweep' });
  await Promise.all([1, 2, 3].map(() => ensureSchedules(client, { taskQueue: 'q', auditCron: '0 3 * * *' })));
  expect((await audit().describe()).info.createdAt).toEqual(before.info.createdAt);
});

test('a pause and an edit made by an operator stay through a worker’s restart', async () => {
  await audit().pause('maintenance');
  await audit().update((schedule) => ({ ...schedule, spec: { ...schedule.spec, jitter: '1 minute' } }));
  await ensureSchedules(client, { taskQueue: 'q', auditCron: '0 3 * * *' });
  const after = await audit().describe();
  expect(after.state).toMatchObject({ paused: true, note: 'maintenance' });
  expect(after.spec.jitter).toBe(60_000);
});

test('a changed AUDIT_CRON is taken over, and the pause stays', async () => {
  const before = await hours();
  await ensureSchedules(client, { taskQueue: 'q', auditCron: '0 5 * * *' });
  expect(await hours()).not.toEqual(before);
  expect((await audit().describe()).state.paused).toBe(true);
});

test('a changed queue is taken over, there and back, and the pause stays', async () => {
  const separate = { taskQueue: 'q', auditTaskQueue: 'q-audit', auditCron: '0 5 * * *' };
  await ensureSchedules(client, separate);
  expect((await audit().describe()).action).toMatchObject({ taskQueue: 'q-audit' });
  await ensureSchedules(client, { taskQueue: 'q', auditCron: '0 5 * * *' });
  const { action, state } = await audit().describe();
  expect(action).toMatchObject({ taskQueue: 'q' });
  expect(state.paused).toBe(true);
});
