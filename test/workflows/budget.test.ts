/** Two workers and an audit under one small Composio budget, judged by the sandbox's own log of what came when. */
import { randomUUID } from 'node:crypto';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createComposioBudget } from '../../api/composio-budget.ts';
import { createComposio } from '../../composio/create-composio.ts';
import type { RequestBudget } from '../../composio/request-budget.ts';
import { createDatabase } from '../../db/pool.ts';
import { budgetTerms } from '../../domain/request-budget.ts';
import { createModel } from '../../model/openai.ts';
import { createWorker } from '../../worker/create-worker.ts';
import { AUDIT_CONNECTIONS, type AuditResult, auditWorkflowId } from '../../workflows/messages.ts';
import { type TestBellhop, scripted, startTestBellhop } from '../setup/bellhop.ts';
import { testTemporalAddress, testWorkflowBundle } from '../setup/temporal.ts';
import { until } from '../setup/until.ts';

/** So small that the budget, and not the machine, is what runs wait for. */
const PER_MINUTE = 420;
const TERMS = budgetTerms(PER_MINUTE);

let bellhop: TestBellhop;
let second: { readonly budget: RequestBudget; close(): Promise<void> };
beforeAll(async () => {
  bellhop = await startTestBellhop({ requestsPerMinute: PER_MINUTE });
  second = await startSecondWorker();
});
afterAll(async () => {
  await second.close();
  await bellhop.close();
});
beforeEach(() => bellhop.sandbox.clearFaults());

/** As another process would: a pool, a budget, a port and a worker of its own on the same database and task queue. */
async function startSecondWorker() {
  const db = createDatabase({ url: bellhop.databaseUrl, name: 'second' });
  const budget = createComposioBudget(db, {
    requestsPerMinute: PER_MINUTE,
    listenUrl: bellhop.databaseUrl,
    name: 'second-budget',
    onListenerLost: () => undefined,
  });
  const connection = await NativeConnection.connect({ address: await testTemporalAddress() });
  const worker = await createWorker({
    db,
    composio: createComposio({
      apiKey: 'sandbox-composio-key',
      baseUrl: bellhop.sandboxUrl,
      authConfigs: new Map(),
      sdk: 'composio-core',
      budget,
    }),
    model: createModel({
      apiKey: 'sandbox-model-key',
      baseUrl: `${bellhop.modelUrl}/v1`,
      defaultModel: 'test',
    }),
    mail: null,
    settings: bellhop.settings,
    connection,
    namespace: 'default',
    taskQueue: bellhop.taskQueue,
    workflowBundle: { codePath: await testWorkflowBundle() },
  });
  const running = worker.run();
  return {
    budget,
    close: async () => {
      worker.shutdown();
      await running;
      await connection.close();
      await budget.close();
      await db.destroy();
    },
  };
}

const SEND = { name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'hello' } };
const turns = (count: number) => Array.from({ length: count }, () => ({ toolCalls: [SEND] }));

async function connectedUsers(count: number): Promise<string[]> {
  const users = Array.from({ length: count }, () => `budget-${randomUUID()}`);
  await Promise.all(
    users.map(async (userId) => {
      await bellhop.putUser(userId);
      await bellhop.sandbox.seedAccount({ userId, app: 'slack', status: 'ACTIVE' });
    }),
  );
  return users;
}
const startAll = (users: readonly string[], calls: number) =>
  Promise.all(
    users.map((userId) =>
      bellhop.start({
        userId,
        task: scripted([...turns(calls), { content: 'Done.' }]),
        tools: ['SLACK_SEND_MESSAGE'],
      }),
    ),
  );
async function expectCompleted(runs: readonly string[], timeoutMs: number): Promise<void> {
  for (const id of runs) expect((await bellhop.ended(id, timeoutMs)).status).toBe('completed');
}
/** When requests came, milliseconds, of those after this one of the log. */
async function arrivals(
  afterSeq: number,
): Promise<{ atMs: number; status: number | null; isAudit: boolean }[]> {
  const requests = await bellhop.sandbox.requests();
  return (
    requests
      .filter(({ seq }) => seq > afterSeq)
      // Only the audit asks about several users at once.
      .map(({ at, status, userIds }) => ({ atMs: Date.parse(at), status, isAudit: userIds.length > 1 }))
      .toSorted((a, b) => a.atMs - b.atMs)
  );
}
const lastSeq = async () => (await bellhop.sandbox.requests()).at(-1)?.seq ?? 0;

describe('one budget', () => {
  test('of two workers and 40 runs is held in every window, and no run fails for it', async () => {
    const users = await connectedUsers(40);
    const from = await lastSeq();
    const runs = await startAll(users, 2);
    await expectCompleted(runs, 180_000);
    const came = (await arrivals(from)).map(({ atMs }) => atMs);
    // A gate and two calls of two requests each; the catalogue is read once or twice.
    expect(came.length).toBeGreaterThanOrEqual(200);
    for (const [first, fromMs] of came.entries()) {
      for (let last = first; last < came.length; last += 1) {
        // The burst, what the time has earned, and a lease and its way, which a busy machine makes longer.
        const lengthUs = ((came[last] ?? 0) - fromMs + 3_000) * 1_000;
        expect(last - first + 1).toBeLessThanOrEqual(
          TERMS.burst + Math.ceil(lengthUs / TERMS.intervalUs) + 1,
        );
      }
    }
    // It was the budget that held them back: faster was not possible, and twice as slow would be a fault.
    const tookMs = (came.at(-1) ?? 0) - (came[0] ?? 0);
    expect(tookMs).toBeGreaterThan(((came.length - TERMS.burst) * TERMS.intervalUs) / 1_000 - 2_000);
    expect(second.budget.stats().runs.used).toBeGreaterThan(0);
    for (const userId of users) expect(await bellhop.sandbox.journal({ userId })).toHaveLength(2);
  });

  test('is paused for both workers by one 429: nothing comes before Retry-After is over, then all runs go on', async () => {
    const PAUSE_MS = 8_000;
    const users = await connectedUsers(12);
    const from = await lastSeq();
    await bellhop.sandbox.addFault({
      skip: 10,
      times: 1,
      action: { type: 'status', status: 429, retryAfter: PAUSE_MS / 1_000 },
    });
    const runs = await startAll(users, 2);
    await expectCompleted(runs, 120_000);
    const came = await arrivals(from);
    const refused = came.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(1);
    const atMs = refused[0]?.atMs ?? 0;
    // What had left already when the answer came is no fault; the word goes round within milliseconds of an idle machine.
    const tooSoon = came.filter((request) => request.atMs > atMs + 2_000 && request.atMs < atMs + PAUSE_MS);
    expect(tooSoon).toEqual([]);
    expect(came.filter((request) => request.atMs >= atMs + PAUSE_MS).length).toBeGreaterThan(20);
    for (const userId of users) expect(await bellhop.sandbox.journal({ userId })).toHaveLength(2);
  });

  test('goes to runs first: an audit that would take it all gets out of their way, and still ends', async () => {
    // Ids so long that a request holds 31 of them at most.
    const crowd = Array.from({ length: 2_000 }, (_, n) =>
      `crowd-${String(n).padStart(5, '0')}`.padEnd(128, 'x'),
    );
    for (let n = 0; n < crowd.length; n += 50)
      await Promise.all(crowd.slice(n, n + 50).map((userId) => bellhop.putUser(userId)));
    const users = await connectedUsers(20);
    const from = await lastSeq();
    const auditId = randomUUID();
    const audit = await bellhop.client.workflow.start(AUDIT_CONNECTIONS, {
      workflowId: auditWorkflowId(auditId),
      taskQueue: bellhop.taskQueue,
      args: [{ auditId, mode: 'users' }],
    });
    await until('the audit has used what it may', async () => (await arrivals(from)).length >= 15);
    const runs = await startAll(users, 2);
    await expectCompleted(runs, 180_000);
    const came = await arrivals(from);
    const ofRuns = came.filter(({ isAudit }) => !isAudit);
    expect(ofRuns.length).toBeGreaterThanOrEqual(100);
    const [beganMs, endedMs] = [ofRuns[0]?.atMs ?? 0, ofRuns.at(-1)?.atMs ?? 0];
    const ofAudit = came.filter(({ isAudit, atMs }) => isAudit && atMs >= beganMs && atMs <= endedMs).length;
    // It asks without a pause, and as an equal it would have a third or more; a fiftieth is its own.
    expect(ofAudit / (ofAudit + ofRuns.length)).toBeLessThan(0.15);
    expect((await audit.result()) as AuditResult).toMatchObject({ status: 'completed' });
  }, 360_000);
});
