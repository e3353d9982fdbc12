/** What a run costs in history: events and bytes per turn, flat however long the run, and nothing of its content. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runWorkflowId } from '../../workflows/messages.ts';
import { replay, readHistory } from '../histories/replay.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { testWorkflowBundle } from '../setup/temporal.ts';

/** The bounds, per turn of one tool call. */
const MAX_EVENTS = 12;
const MAX_BYTES = 2_560;
const MAX_EVENTS_PER_FURTHER_CALL = 3;
/** Scheduled, started, completed. */
const EVENTS_OF_A_WORKFLOW_TASK = 3;
const CANARY = 'canary-4711';

let bellhop: TestBellhop;
beforeAll(async () => {
  bellhop = await startTestBellhop();
  await bellhop.putUser('alice');
  await bellhop.sandbox.seedAccount({ userId: 'alice', app: 'slack' });
});
afterAll(() => bellhop.close());

type Size = {
  readonly runId: string;
  readonly turns: number;
  readonly events: number;
  readonly bytes: number;
};

/** A run of `turns` turns that each make `calls` calls, and one more that answers. */
async function measure(turns: number, calls = 1): Promise<Size> {
  const toolCalls = Array.from({ length: calls }, (_, i) => ({
    name: 'SLACK_SEND_MESSAGE',
    arguments: { channel: 'general', markdown_text: `${CANARY} ${i} ${'x'.repeat(100)}` },
  }));
  const runId = await bellhop.start({
    userId: 'alice',
    task: scripted([
      ...Array.from({ length: turns }, () => ({ toolCalls })),
      { content: `${CANARY} is done` },
    ]),
    tools: ['SLACK_SEND_MESSAGE'],
    limits: { maxTurns: 200, maxToolCalls: 500, maxTokens: 2_000_000 },
  });
  const run = await bellhop.ended(runId, 240_000);
  expect(run).toMatchObject({
    status: 'completed',
    usage: { modelCalls: turns + 1, toolCalls: turns * calls },
  });
  const handle = bellhop.client.workflow.getHandle(runWorkflowId(runId));
  await handle.result();
  const { historyLength, historySize } = await handle.describe();
  return { runId, turns, events: historyLength, bytes: historySize ?? Number.NaN };
}
const perTurn = (short: Size, long: Size) => ({
  events: (long.events - short.events) / (long.turns - short.turns),
  bytes: (long.bytes - short.bytes) / (long.turns - short.turns),
});

test('a turn of one call costs at most 12 events and 2.5 KB, and as much in the 80th turn as in the fifth', async () => {
  const [five, twenty, eighty] = [await measure(5), await measure(20), await measure(80)];
  const early = perTurn(five, twenty);
  const late = perTurn(twenty, eighty);
  console.info('history per turn:', { early, late, five, eighty });
  for (const cost of [early, late]) {
    expect(cost.events).toBeLessThanOrEqual(MAX_EVENTS);
    expect(cost.bytes).toBeLessThanOrEqual(MAX_BYTES);
  }
  expect(Math.abs(late.events - early.events)).toBeLessThan(0.5);
  expect(late.bytes / early.bytes).toBeLessThan(1.05);

  const history = await readHistory(bellhop.client, runWorkflowId(eighty.runId));
  const text = JSON.stringify(history);
  expect(text).not.toContain(CANARY);
  expect(text).not.toContain(Buffer.from(CANARY).toString('base64').slice(0, 12));
  const bundle = { codePath: await testWorkflowBundle() };
  const errors = await replay(bundle, [{ name: 'eighty', workflowId: 'eighty', history }]);
  expect([...errors.values()]).toEqual([null]);
}, 600_000);

test('each further call of a turn costs 3 events of its own, and the workflow tasks of a turn do not grow with its calls', async () => {
  const turns = 6;
  const [one, four, eight] = [await measure(turns, 1), await measure(turns, 4), await measure(turns, 8)];
  const tasks = await Promise.all(
    [one, four, eight].map((size) => countEvents(size, 'EVENT_TYPE_WORKFLOW_TASK_')),
  );
  const work = await Promise.all(
    [one, four, eight].map((size) => countEvents(size, 'EVENT_TYPE_ACTIVITY_TASK_')),
  );
  console.info('events of workflow tasks and of activities with 1, 4 and 8 calls a turn:', tasks, work);
  expect(work.map((n) => n - (work[0] ?? 0))).toEqual(
    [0, 3, 7].map((further) => turns * further * MAX_EVENTS_PER_FURTHER_CALL),
  );
  // Calls report together, but the server may start a task between two reports: twice in a turn at most, not once per call.
  for (const n of tasks)
    expect(n - (tasks[0] ?? 0)).toBeLessThanOrEqual(2 * turns * EVENTS_OF_A_WORKFLOW_TASK);
}, 600_000);

async function countEvents({ runId }: Size, prefix: string): Promise<number> {
  const history = (await readHistory(bellhop.client, runWorkflowId(runId))) as {
    events: { eventType: string }[];
  };
  return history.events.filter(({ eventType }) => eventType.startsWith(prefix)).length;
}
