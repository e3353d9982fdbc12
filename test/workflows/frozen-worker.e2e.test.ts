/**
 * A worker process that is frozen (SIGSTOP) in the middle of a call, past its heartbeat, and wakes after another one took the
 * call over. The one that wakes does not send what it had not sent, and its word does not replace a newer one. Who takes over
 * waits until the frozen attempt's request can no longer have an effect.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FaultProxy, startFaultProxy } from '../../chaos/fault-proxy.ts';
import { listEvents } from '../../db/events.ts';
import { asSystem } from '../../db/scope.ts';
import { AGENT_RUN, WORKFLOW_TASK_TIMEOUT, runWorkflowId } from '../../workflows/messages.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import type { Failpoint } from '../setup/failpoints.ts';
import { createTestNamespace, testTaskQueue, testTemporalAddress } from '../setup/temporal.ts';
import { until } from '../setup/until.ts';
import { startTakeover, startWorkerProcess, type WorkerProcess } from '../setup/worker-process.ts';

let bellhop: TestBellhop;
let namespace: string;
const processes: WorkerProcess[] = [];
const links: FaultProxy[] = [];
beforeAll(async () => {
  // Its own namespace: worker/main.ts makes Schedules with fixed ids.
  namespace = await createTestNamespace();
  bellhop = await startTestBellhop({ noWorker: true, namespace });
});
afterAll(async () => {
  for (const process of processes) await process.kill();
  for (const link of links) await link.close();
  await bellhop.close();
});

const PATIENCE_MS = 120_000;
/** Short: the frozen attempt's deadline passes while it sleeps. Long: it wakes while the other one still waits. */
const SHORT_MS = 3_000;
const LONG_MS = 110_000;

/** One run of one call on a worker that freezes at this point, and another worker that has begun the second attempt. */
async function freezeAt(name: string, at: Failpoint, toolTimeoutMs: number) {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  const taskQueue = testTaskQueue();
  const link = await startFaultProxy([Number((await testTemporalAddress()).split(':')[1])]);
  links.push(link);
  const frozen = await startWorkerProcess(bellhop, {
    namespace,
    taskQueue,
    temporalAddress: `127.0.0.1:${link.port}`,
    failpoint: { at, action: 'stop' },
    env: { TOOL_TIMEOUT: `${toolTimeoutMs}ms` },
  });
  processes.push(frozen);
  const args = name === 'SLACK_SEND_MESSAGE' ? { channel: 'general', markdown_text: 'once' } : {};
  const task = scripted([{ toolCalls: [{ name, arguments: args }] }, { content: 'The end.' }], userId);
  const runId = await bellhop.accept({ userId, task, tools: [name] });
  const handle = await bellhop.client.workflow.start(AGENT_RUN, {
    workflowId: runWorkflowId(runId),
    taskQueue,
    workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
    args: [{ runId, userId }],
  });
  await frozen.untilFrozen();
  // Else its open polls would be given tasks for up to a minute more, each lost for one time-out. That a frozen worker's
  // connections break is what happens sooner or later, too.
  link.begin({ how: 'refuse' });
  const second = await startTakeover(bellhop, { namespace, taskQueue, settings: { toolTimeoutMs } });
  await until(
    'a second attempt',
    async () => {
      const { raw } = await handle.describe();
      return raw.pendingActivities?.some(({ attempt, lastStartedTime }) => attempt === 2 && lastStartedTime);
    },
    PATIENCE_MS,
  );
  return {
    runId,
    userId,
    second,
    /** Lets it go on, and stop in order: when it is gone, all that it had to do is done. */
    wake: async () => {
      link.end();
      frozen.signal('SIGCONT');
      frozen.signal('SIGTERM');
      expect(await frozen.exited, frozen.tail()).toEqual({ code: 0, signal: null });
    },
    see: async () => {
      const call = await asSystem(bellhop.db, (tx) =>
        tx.selectFrom('tool_calls').selectAll().where('run_id', '=', runId).executeTakeFirstOrThrow(),
      );
      const events = await asSystem(bellhop.db, (tx) => listEvents(tx, runId, { after: 0, limit: 99 }));
      return {
        call,
        effects: await bellhop.sandbox.journal({ userId }),
        sent: await bellhop.sandbox.countRequests({ route: 'tools.execute', userId }),
        told: events.map((event) => event.type).filter((type) => type.startsWith('tool.')),
      };
    },
  };
}

describe.concurrent('a worker that is frozen past its deadline in a write', () => {
  const points = [
    ['between its claim and its request: nothing is sent, then or on waking', 'claim:after', 0],
    ['in the middle of its request: sent once', 'send:after', 1],
    ['with the answer at hand: sent once', 'response:after', 1],
  ] as const;
  test.for(points)('%s; the call stays unknown', { timeout: 400_000 }, async ([, at, effects]) => {
    const { runId, second, wake, see } = await freezeAt('SLACK_SEND_MESSAGE', at, SHORT_MS);
    await bellhop.ended(runId, PATIENCE_MS);
    const before = await see();
    expect(before.call).toMatchObject({ status: 'unknown', attempts: 1 });
    // By the database's clock, both: not a moment before the frozen request's deadline, and soon after it was seen to be over.
    const { deadline_at: deadline, finished_at: finished } = before.call;
    expect(finished?.getTime()).toBeGreaterThanOrEqual(deadline?.getTime() ?? Number.NaN);
    await wake();
    const after = await see();
    await second.close();
    expect(after.call).toEqual(before.call);
    expect(after.effects).toHaveLength(effects);
    expect(after.sent).toBe(effects);
    expect(after.told).toEqual(['tool.started', 'tool.unknown']);
  });
});

describe.concurrent('a worker that is frozen past its heartbeat and wakes before its deadline', () => {
  test(
    'with the answer at hand has the word: the write is done, sent once',
    { timeout: 400_000 },
    async () => {
      const { runId, second, wake, see } = await freezeAt('SLACK_SEND_MESSAGE', 'response:after', LONG_MS);
      await wake();
      expect(await bellhop.ended(runId, PATIENCE_MS)).toMatchObject({ status: 'completed' });
      await second.close();
      const { call, effects, sent, told } = await see();
      expect(call).toMatchObject({ status: 'done', attempts: 1, log_id: effects[0]?.logId });
      expect([effects.length, sent, told]).toEqual([1, 1, ['tool.started', 'tool.completed']]);
    },
  );

  test('before its request gives its claim back, and the other one sends', { timeout: 400_000 }, async () => {
    const { runId, second, wake, see } = await freezeAt('SLACK_SEND_MESSAGE', 'claim:after', LONG_MS);
    await wake();
    expect(await bellhop.ended(runId, PATIENCE_MS)).toMatchObject({ status: 'completed' });
    await second.close();
    const { call, effects, sent, told } = await see();
    expect(call).toMatchObject({ status: 'done', attempts: 2, log_id: effects[0]?.logId });
    expect([effects.length, sent]).toEqual([1, 1]);
    expect(told).toEqual(['tool.started', 'tool.started', 'tool.completed']);
  });
});

test(
  'a worker that is frozen in a read does not replace the newer answer',
  { timeout: 400_000 },
  async () => {
    const { runId, second, wake, see } = await freezeAt('SLACK_LIST_CHANNELS', 'response:after', SHORT_MS);
    await bellhop.ended(runId, PATIENCE_MS);
    const before = await see();
    await wake();
    const after = await see();
    await second.close();
    expect(after.call).toEqual(before.call);
    expect(after.call).toMatchObject({ status: 'done', attempts: 2, log_id: after.effects[1]?.logId });
    expect(after.sent).toBe(2);
  },
);
