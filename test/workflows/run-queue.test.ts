/** How many runs of one user are at work at once: no more than may be, in the order in which they came, and nobody else waits. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asSystem } from '../../db/scope.ts';
import { runAdmittedSignal, runWorkflowId, SWEEP } from '../../workflows/messages.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { approve } from '../setup/decide.ts';
import { until } from '../setup/until.ts';

const PLACES = 3;
let bellhop: TestBellhop;
beforeAll(async () => {
  bellhop = await startTestBellhop({ settings: { userRuns: PLACES, toolTimeoutMs: 120_000 } });
});
afterAll(() => bellhop.close());

const READ = { name: 'SLACK_LIST_CHANNELS', arguments: {} };
const task = scripted([{ toolCalls: [READ] }, { content: 'The end.' }]);
const newUser = async () => {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  return { userId };
};
/** Holds this user's calls at Composio until they are released. */
async function holdCalls(userId: string, times: number): Promise<string> {
  const barrier = randomUUID();
  await bellhop.sandbox.addFault({
    match: { route: 'tools.execute', userId },
    action: { type: 'hold', barrier },
    times,
  });
  return barrier;
}
const start = (userId: string, more: { requireApproval?: readonly string[] } = {}) =>
  bellhop.start({ userId, task, tools: [READ.name], ...more });
const inLine = async (userId: string): Promise<number> => {
  const { rows } = await asSystem(bellhop.db, (tx) =>
    sql<{ n: number }>`select count(*)::int as n from runs
      where user_id = ${userId} and queued_at is not null and finished_at is null`.execute(tx),
  );
  return rows[0]?.n ?? 0;
};
const atBarrier = async (barrier: string) => (await bellhop.sandbox.barriers())[barrier]?.waiting ?? 0;

test('twelve runs of one user are at work three at a time, and another user’s run does not wait for them', async () => {
  const { userId } = await newUser();
  const other = await newUser();
  const barrier = await holdCalls(userId, 12);
  const runIds = await Promise.all(Array.from({ length: 12 }, () => start(userId)));
  await until('the line', async () => (await inLine(userId)) === 12 - PLACES);
  await bellhop.sandbox.waitForBarrier(barrier, PLACES);
  expect((await bellhop.ended(await start(other.userId))).status).toBe('completed');
  for (let left = 12; left > 0; left -= PLACES) {
    await bellhop.sandbox.waitForBarrier(barrier, Math.min(PLACES, left));
    expect(await atBarrier(barrier)).toBe(PLACES);
    // Those who wait now go; those who come after them wait.
    await bellhop.sandbox.releaseBarrier(barrier);
    await bellhop.sandbox.closeBarrier(barrier);
  }
  for (const runId of runIds) expect((await bellhop.ended(runId)).status).toBe('completed');
  expect(await inLine(userId)).toBe(0);
  expect(await bellhop.sandbox.requests({ route: 'tools.execute', userId })).toHaveLength(12);
});

test('who came first goes first', async () => {
  const { userId } = await newUser();
  const barrier = await holdCalls(userId, PLACES);
  for (let i = 0; i < PLACES; i += 1) await start(userId);
  await bellhop.sandbox.waitForBarrier(barrier, PLACES);
  const waiting: string[] = [];
  for (let i = 1; i <= 4; i += 1) {
    waiting.push(await start(userId));
    await until('its place in line', async () => (await inLine(userId)) === i);
  }
  await bellhop.sandbox.releaseBarrier(barrier);
  const runs = await Promise.all(waiting.map((runId) => bellhop.ended(runId)));
  const admitted = runs.map((run) => run.admittedAt?.getTime() ?? 0);
  expect(Math.min(...admitted)).toBeGreaterThan(0);
  // Three places became free at once: who was fourth got one after the three before it.
  expect(admitted[PLACES]).toBe(Math.max(...admitted));
});

test('a run that waits for a person leaves its place, and does not wait in line when it comes back', async () => {
  const { userId } = await newUser();
  const parked = await Promise.all(
    Array.from({ length: PLACES }, () => start(userId, { requireApproval: [READ.name] })),
  );
  for (const runId of parked) await bellhop.until(runId, (run) => run.status === 'waiting_for_approval');
  const barrier = await holdCalls(userId, 2 * PLACES);
  const next = await Promise.all(Array.from({ length: PLACES }, () => start(userId)));
  await bellhop.sandbox.waitForBarrier(barrier, PLACES);
  expect(await inLine(userId)).toBe(0);
  for (const runId of parked) await approve(bellhop, { userId, runId, callId: 'call_1_0' });
  await bellhop.sandbox.waitForBarrier(barrier, 2 * PLACES);
  await bellhop.sandbox.releaseBarrier(barrier);
  for (const runId of [...parked, ...next]) expect((await bellhop.ended(runId)).status).toBe('completed');
});

test('a run in line can be cancelled, and a word that got lost is repeated by the sweep', async () => {
  const { userId } = await newUser();
  const barrier = await holdCalls(userId, PLACES);
  const first = await Promise.all(Array.from({ length: PLACES }, () => start(userId)));
  await bellhop.sandbox.waitForBarrier(barrier, PLACES);
  const [cancelled, lost] = [await start(userId), await start(userId)];
  await until('both in line', async () => (await inLine(userId)) === 2);
  // A hint without a free place changes nothing.
  await bellhop.client.workflow.getHandle(runWorkflowId(lost)).signal(runAdmittedSignal);
  await bellhop.client.workflow.getHandle(runWorkflowId(cancelled)).cancel();
  expect((await bellhop.ended(cancelled)).status).toBe('cancelled');
  expect(await inLine(userId)).toBe(1);
  // A place becomes free without anybody saying so.
  await asSystem(bellhop.db, (tx) =>
    sql`update runs set admitted_at = null where id = ${first[0] ?? ''}`.execute(tx),
  );
  await bellhop.client.workflow.execute(SWEEP, {
    workflowId: `sweep-${randomUUID()}`,
    taskQueue: bellhop.taskQueue,
  });
  expect((await bellhop.ended(lost)).status).toBe('completed');
  await bellhop.sandbox.releaseBarrier(barrier);
  for (const runId of first) await bellhop.ended(runId);
});
