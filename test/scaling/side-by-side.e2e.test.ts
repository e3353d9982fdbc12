/** Two APIs and two workers beside each other, none of which has anything of its own: work goes on through whichever is left. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Browser } from '../../sandbox/demo/browser.ts';
import { auditTaskQueue, auditWorkflowId, runWorkflowId, toolsTaskQueue } from '../../workflows/messages.ts';
import { openEvents } from '../api/setup/event-client.ts';
import { untilEnded, untilSettled } from '../api/setup/settled-run.ts';
import { type ApiProcess, startApiProcess } from '../setup/api-process.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createTestNamespace } from '../setup/temporal.ts';
import { until } from '../setup/until.ts';
import { startWorkerProcess, type WorkerProcess } from '../setup/worker-process.ts';

const TOOL = 'SLACK_SEND_MESSAGE';
const send = (text: string) => ({
  toolCalls: [{ name: TOOL, arguments: { channel: 'general', markdown_text: text } }],
});

async function connect(connectUrl: string): Promise<void> {
  const browser = new Browser();
  const consent = await browser.click(await browser.open(connectUrl), /\/go$/);
  expect((await browser.submit(consent, { decision: 'approve' })).status).toBe(200);
}

describe('two APIs and two workers', () => {
  let bellhop: TestBellhop;
  let namespace: string;
  let apis: readonly ApiProcess[] = [];
  let workers: readonly WorkerProcess[] = [];
  // Each attempt has processes of its own.
  beforeEach(async () => {
    // Its own namespace: worker/main.ts makes Schedules with fixed ids.
    namespace = await createTestNamespace();
    bellhop = await startTestBellhop({ noWorker: true, namespace });
    workers = await Promise.all([1, 2].map(() => startWorkerProcess(bellhop, { namespace })));
    const first = await startApiProcess(bellhop, { namespace });
    apis = [first];
    // Browsers know one address for all of them.
    apis = [first, await startApiProcess(bellhop, { namespace, env: { PUBLIC_URL: first.url } })];
    await Promise.all(workers.map(({ polls }) => polls));
  });
  afterEach(async () => {
    for (const process of [...apis, ...workers]) await process.kill();
    await bellhop?.close();
  });

  test('lose one of each in the middle, and every run ends, each write once', async () => {
    const [one, other] = apis as [ApiProcess, ApiProcess];
    const users = Array.from({ length: 12 }, () => `user-${randomUUID()}`);
    const runs = await Promise.all(
      users.map(async (userId, n) => {
        const api = n % 2 === 0 ? one : other;
        await api.call('PUT', `/v1/users/${userId}`, { body: {} });
        const task = scripted([send(`first ${userId}`), send(`second ${userId}`), { content: 'The end.' }]);
        const { status, body } = await api.call('POST', '/v1/runs', {
          body: { userId, task, tools: [TOOL] },
        });
        expect(status).toBe(202);
        const run = await untilSettled(api, body.id);
        expect(run.status).toBe('waiting_for_connection');
        return run;
      }),
    );
    // Told by the one what the other began.
    const stream = await openEvents(one.url, runs[1].id);
    // A worker dies with runs in its hands; nothing was sent yet, so nothing may be in doubt.
    await workers[0]?.kill();
    await Promise.all(runs.map((run) => connect(run.waitingFor[0].connectUrl)));
    other.signal('SIGTERM');
    expect(await other.exited).toBe(0);
    for (const { id } of runs) {
      expect((await untilEnded(one, id)).status).toBe('completed');
    }
    await stream.over;
    expect(stream.events.at(-1)?.event).toBe('run.completed');
    for (const userId of users) {
      const texts = (await bellhop.sandbox.journal({ userId })).map(
        (effect) => effect.arguments['markdown_text'],
      );
      expect(texts).toEqual([`first ${userId}`, `second ${userId}`]);
    }
  }, 300_000);
});

describe('task queues of their own for tools and audits', () => {
  let bellhop: TestBellhop;
  let namespace: string;
  let api: ApiProcess;
  const open: { kill: () => Promise<void> }[] = [];
  const SEPARATE = { TEMPORAL_SEPARATE_QUEUES: 'tools,audit' };
  const startWorker = async (env: Readonly<Record<string, string>>): Promise<WorkerProcess> => {
    const worker = await startWorkerProcess(bellhop, { namespace, env: { ...SEPARATE, ...env } });
    open.push(worker);
    await worker.polls;
    return worker;
  };
  // Each attempt has processes of its own.
  beforeEach(async () => {
    namespace = await createTestNamespace();
    bellhop = await startTestBellhop({ noWorker: true, namespace });
    api = await startApiProcess(bellhop, { namespace, env: SEPARATE });
    open.push(api);
  });
  afterEach(async () => {
    for (const process of open.splice(0)) await process.kill();
    await bellhop?.close();
  });
  const scheduled = async (runId: string) => {
    const { events } = await bellhop.client.workflow.getHandle(runWorkflowId(runId)).fetchHistory();
    return (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: at }) =>
      at ? [`${at.activityType?.name} ${at.taskQueue?.name}`] : [],
    );
  };

  test('calls wait for a worker of theirs while everything else goes on, and flows stay where runs are', async () => {
    const { taskQueue } = bellhop;
    const tools = toolsTaskQueue(taskQueue);
    await startWorker({ WORKER_QUEUES: 'main,notices' });
    await api.call('PUT', '/v1/users/alice', { body: {} });
    const { id: accountId } = await bellhop.sandbox.seedAccount({ userId: 'alice', app: 'slack' });
    const task = scripted([send('first'), send('second'), { content: 'The end.' }]);
    const { body: run } = await api.call('POST', '/v1/runs', {
      body: { userId: 'alice', task, tools: [TOOL] },
    });
    await until('the call scheduled', async () => (await scheduled(run.id)).length === 3, 60_000);
    expect(await scheduled(run.id)).toEqual([
      `beginRun ${taskQueue}`,
      `callModel ${taskQueue}`,
      `executeTool ${tools}`,
    ]);
    expect(await bellhop.sandbox.journal()).toEqual([]);

    const barrier = randomUUID();
    const action = { type: 'hold', barrier, afterEffect: true } as const;
    await bellhop.sandbox.addFault({ match: { route: 'tools.execute' }, action, times: 1 });
    await startWorker({ WORKER_QUEUES: 'tools' });
    await bellhop.sandbox.waitForBarrier(barrier, 1, 60_000);
    // The second call finds a broken connection, so its flow is begun by an activity on the tools' queue.
    await bellhop.sandbox.setStatus(accountId, 'EXPIRED');
    await bellhop.sandbox.releaseBarrier(barrier);
    await bellhop.until(run.id, ({ status }) => status === 'waiting_for_connection', 60_000);
    const { body } = await api.call('GET', `/v1/runs/${run.id}`);
    await connect(body.waitingFor[0].connectUrl);
    expect((await bellhop.ended(run.id, 60_000)).status).toBe('completed');
    expect(await bellhop.sandbox.journal({ userId: 'alice' })).toHaveLength(2);
  }, 300_000);

  test('an audit is done by a worker that does nothing else', async () => {
    const audits = auditTaskQueue(bellhop.taskQueue);
    await startWorker({ WORKER_QUEUES: 'audit' });
    const { body } = await api.call('POST', '/v1/audits', { body: {} });
    const ended = await until(
      'the audit ended',
      async () => {
        const audit = (await api.call('GET', `/v1/audits/${body.id}`)).body;
        return audit.status === 'running' ? null : audit;
      },
      60_000,
    );
    expect(ended.status).toBe('completed');
    const handle = bellhop.client.workflow.getHandle(auditWorkflowId(body.id));
    expect((await handle.describe()).taskQueue).toBe(audits);
    const schedule = await bellhop.client.schedule.getHandle('connection-audit').describe();
    expect(schedule.action.taskQueue).toBe(audits);
  });
});
