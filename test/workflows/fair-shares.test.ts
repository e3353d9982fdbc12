/** One user's flood and another's single run: Temporal gives each fairness key its share, so the one is not behind the many. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRun } from '../../api/start-run.ts';
import { asSystem } from '../../db/scope.ts';
import { fairnessKey, labelRun } from '../../domain/workflow-labels.ts';
import { runWorkflowId } from '../../workflows/messages.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';

const FLOOD = 500;
/** The queue has partitions, and what the worker has fetched already is done first. */
const MOST_BEFORE = FLOOD / 4;
const AT_ONCE = 25;

let bellhop: TestBellhop;
const started: string[] = [];
beforeAll(async () => {
  // One user's places are not what is tested here.
  bellhop = await startTestBellhop({ noWorker: true, maxActivities: 4, settings: { userRuns: 10 * FLOOD } });
});
afterAll(async () => {
  await bellhop.stopWorker();
  await inLanes(started, (id) =>
    bellhop.client.workflow
      .getHandle(runWorkflowId(id))
      .terminate()
      .catch(() => undefined),
  );
  await bellhop.close();
});

async function inLanes<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const left = [...items];
  const lane = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}
/** As the API does it. */
async function start(userId: string): Promise<string> {
  const id = await bellhop.accept({
    userId,
    task: scripted([{ content: 'Done.' }]),
    tools: ['HACKERNEWS_GET_FRONTPAGE'],
  });
  started.push(id);
  const run = { id, userId, apps: [] };
  const { kind } = await startRun(bellhop.client, bellhop.taskQueue, run, {
    waitForCheck: false,
    deadline: Date.now() + 30_000,
  });
  expect(kind).toBe('started_or_unknown');
  return id;
}

test(`one user's ${FLOOD} runs do not hold up another's one that came after them all`, async () => {
  await bellhop.stopWorker();
  const [many, one] = [`many-${randomUUID()}`, `one-${randomUUID()}`];
  await bellhop.putUser(many);
  await bellhop.putUser(one);
  await inLanes(Array.from({ length: FLOOD }), () => start(many));
  const late = await start(one);
  await bellhop.startWorker();
  expect((await bellhop.ended(late, 150_000)).status).toBe('completed');
  expect(await countEnded(many)).toBeLessThan(MOST_BEFORE);
});

async function countEnded(userId: string): Promise<number> {
  const row = await asSystem(bellhop.db, (tx) =>
    tx
      .selectFrom('runs')
      .select(({ fn }) => fn.countAll<number>().as('n'))
      .where('user_id', '=', userId)
      .where('finished_at', 'is not', null)
      .executeTakeFirstOrThrow(),
  );
  return row.n;
}

test('a workflow carries its user’s own key, whatever its length', async () => {
  const long = 'a'.repeat(127);
  const keys = ['alice', `${long}b`, `${long}c`].map(fairnessKey);
  expect(new Set(keys).size).toBe(3);
  expect(keys.filter((key) => key.length > 64)).toEqual([]);
  const id = started[0] ?? expect.unreachable();
  const { raw } = await bellhop.client.workflow.getHandle(runWorkflowId(id)).describe();
  const { priority } = raw.workflowExecutionInfo ?? {};
  const { userId } = await bellhop.run(id);
  expect(priority).toMatchObject(labelRun({ id, userId }).priority);
});
