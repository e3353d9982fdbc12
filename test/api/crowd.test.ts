/**
 * A crowd of callbacks whose runs wait: answers come before runs; each run goes on, told once, before its flow is; each flow's workflow
 * ends; each call is made once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { flowWorkflowId, runWorkflowId } from '../../workflows/messages.ts';
import { createStage } from '../attacks/stage.ts';
import { startTestApi, type TestApi } from './setup/api.ts';

const CROWD = 120;
const AT_ONCE = 10;
const PATIENCE_MS = 120_000;

let api: TestApi;
beforeAll(async () => {
  // Polling must not be what completes or ends a flow here.
  api = await startTestApi({ settings: { pollIntervalMs: 300_000, callbackGraceMs: 300_000 } });
});
afterAll(() => api.close());
afterEach(async () => void (await api.bellhop.sandbox.clearFaults()));

/** Seconds since 1970 of each `connection-completed`. */
async function toldAt(workflowId: string): Promise<readonly number[]> {
  const { events } = await api.bellhop.client.workflow.getHandle(workflowId).fetchHistory();
  return (events ?? [])
    .filter((event) => event.workflowExecutionSignaledEventAttributes?.signalName === 'connection-completed')
    .map(({ eventTime }) => Number(eventTime?.seconds) + Number(eventTime?.nanos) / 1e9);
}

it('wakes every run itself, and ends the flows when it is through', async () => {
  const stage = createStage(api);
  const waiting: {
    runId: string;
    flowId: string;
    userId: string;
    comeBack: () => Promise<{ status: number }>;
  }[] = [];
  while (waiting.length < CROWD) {
    const some = Array.from({ length: AT_ONCE }, async () => {
      const target = await stage.target();
      const click = await stage.click(target);
      const { location } = await api.bellhop.sandbox.consent(click.provider, 'approve');
      return { ...target, comeBack: () => click.browser.get(location ?? '') };
    });
    waiting.push(...(await Promise.all(some)));
  }
  const pages = await Promise.all(waiting.map(({ comeBack }) => comeBack()));
  expect(new Set(pages.map(({ status }) => status))).toEqual(new Set([200]));

  const facts = await Promise.all(
    waiting.map(async ({ runId, flowId, userId }) => {
      const { status } = await api.bellhop.ended(runId, PATIENCE_MS);
      await api.bellhop.client.workflow.getHandle(flowWorkflowId(flowId)).result();
      const effects = await api.bellhop.sandbox.journal({ userId });
      const [run, flow] = [await toldAt(runWorkflowId(runId)), await toldAt(flowWorkflowId(flowId))];
      return { status, effects: effects.length, run, flow };
    }),
  );
  expect(new Set(facts.map(({ status }) => status))).toEqual(new Set(['completed']));
  expect(new Set(facts.map(({ effects }) => effects))).toEqual(new Set([1]));
  expect(facts.filter(({ flow }) => flow.length !== 1)).toEqual([]);
  // Twice where the flow was told before its run had gone on.
  expect(facts.filter(({ run }) => run.length < 1 || run.length > 2)).toEqual([]);
  // Who stood before others in the crowd was told first; of the last nobody waited behind.
  const first = facts.filter(({ run, flow }) => (run[0] ?? 0) < (flow[0] ?? 0));
  expect(first.length).toBeGreaterThan(CROWD / 4);
}, 300_000);

/** What api/connect/rush.ts takes for a crowd, and for how long at the most. */
const MANY = 64;
const LONGEST_RUSH_MS = 4_000;

it('lets a run go on that was let in before a crowd came only when the crowd has its answers', async () => {
  const stage = createStage(api);
  const { turnstile } = api.callbackDesk;
  const target = await stage.target();
  const click = await stage.click(target);
  await stage.lookedAt(target);
  const callback = await stage.consent(click);
  await api.bellhop.sandbox.addFault({
    match: { method: 'GET' },
    action: { type: 'latency', ms: 300 },
  });
  const page = click.browser.get(callback);
  await expect.poll(() => turnstile.holds(click.attemptId), { interval: 5, timeout: 60_000 }).toBe(true);

  const crowdCame = Date.now();
  const leave = Array.from({ length: MANY }, () => turnstile.arrive());
  await expect.poll(async () => (await stage.flowOf(target)).status, { timeout: 60_000 }).toBe('completed');
  await sleep(500);
  const crowdWent = Math.min(Date.now(), crowdCame + LONGEST_RUSH_MS);
  for (const gone of leave) gone();

  expect((await page).status).toBe(200);
  expect((await api.bellhop.ended(target.runId, PATIENCE_MS)).status).toBe('completed');
  const [told = 0] = await toldAt(runWorkflowId(target.runId));
  expect(told * 1_000).toBeGreaterThanOrEqual(crowdWent);
}, 300_000);
