/** An audit of more users than one step takes: its steps, its progress, and that it goes on as new with its cursor. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { sql } from 'kysely';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAuditActivities } from '../../activities/audit-activities.ts';
import { getAudit } from '../../db/audits.ts';
import { asSystem } from '../../db/scope.ts';
import { createModel } from '../../model/openai.ts';
import { workerOptions } from '../../worker/create-worker.ts';
import { AUDIT_CONNECTIONS, type AuditResult, auditWorkflowId } from '../../workflows/messages.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { testTaskQueue, testTemporalAddress, testWorkflowBundle } from '../setup/temporal.ts';

const USERS = 25_000;
/** As the bundle has it. */
const SUGGESTION = /hasMore && !\(0, ?\w+\.workflowInfo\)\(\)\.continueAsNewSuggested/;

let bellhop: TestBellhop;
beforeAll(async () => {
  bellhop = await startTestBellhop({ noWorker: true });
  await asSystem(bellhop.db, (tx) =>
    sql`insert into users (user_id) select 'user-' || lpad(n::text, 6, '0') from generate_series(1, ${USERS}::int) n`.execute(
      tx,
    ),
  );
  const last = { userId: `user-0${USERS}`, app: 'slack', status: 'EXPIRED' } as const;
  await bellhop.sandbox.seedAccounts([last, { ...last, userId: 'user-000001' }]);
});
afterAll(() => bellhop.close());

/** With steps of one window; with `code`, other workflows. */
async function auditInSteps(code?: string) {
  const taskQueue = testTaskQueue();
  const connection = await NativeConnection.connect({ address: await testTemporalAddress() });
  const workflowBundle = code === undefined ? { codePath: await testWorkflowBundle() } : { code };
  const { db, composio, settings, modelUrl } = bellhop;
  const model = createModel({ apiKey: 'sandbox-model-key', baseUrl: `${modelUrl}/v1`, defaultModel: 'test' });
  const deps = { db, composio: composio.withClass('audit'), model, settings, mail: null };
  const options = workerOptions({ ...deps, connection, namespace: 'default', taskQueue, workflowBundle });
  const inSteps = createAuditActivities(deps, { stepMs: 0 });
  const worker = await Worker.create({ ...options, activities: { ...options.activities, ...inSteps } });
  const auditId = randomUUID();
  const result = await worker.runUntil(async () => {
    const handle = await bellhop.client.workflow.start(AUDIT_CONNECTIONS, {
      workflowId: auditWorkflowId(auditId),
      taskQueue,
      args: [{ auditId, mode: 'users' }],
    });
    const first = handle.firstExecutionRunId;
    const result = (await handle.result()) as AuditResult;
    const { events } = await bellhop.client.workflow.getHandle(handle.workflowId, first).fetchHistory();
    const names = (events ?? []).flatMap((event) => {
      const name = event.activityTaskScheduledEventAttributes?.activityType?.name;
      return name ? [name] : event.workflowExecutionContinuedAsNewEventAttributes ? ['as new'] : [];
    });
    return { result, names };
  });
  await connection.close();
  return { ...result, row: await asSystem(db, (tx) => getAudit(tx, auditId)) };
}

/** As if nobody had been told: by an attempt that failed. */
const forget = () =>
  asSystem(bellhop.db, async (tx) => {
    await sql`delete from notices`.execute(tx);
    await sql`delete from connection_episodes`.execute(tx);
  });

test('a step is a window of users and six events of history at most; each shows how far it is', async () => {
  await forget();
  const { result, names, row } = await auditInSteps();
  expect(result).toMatchObject({ status: 'completed', usersScanned: USERS, broken: 2, notified: 2 });
  expect(row).toMatchObject({ usersScanned: USERS, composioRequests: USERS / 100 + 2 });
  const steps = ['auditNextUsers', 'auditNextUsers', 'auditNextUsers', 'auditNextUsers'];
  expect(names).toEqual(['beginAudit', ...steps, 'endAudit']);
});

test('goes on as new when Temporal suggests it, from its cursor, and counts nobody twice', async () => {
  const code = readFileSync(await testWorkflowBundle(), 'utf8');
  expect(code.split(SUGGESTION)).toHaveLength(2);
  const { result, names, row } = await auditInSteps(code.replace(SUGGESTION, 'false'));
  expect(names).toEqual(['beginAudit', 'auditNextUsers', 'as new']);
  expect(result).toMatchObject({ status: 'completed', usersScanned: USERS, broken: 2, notified: 0 });
  expect(row).toMatchObject({ status: 'completed', usersScanned: USERS });
});
