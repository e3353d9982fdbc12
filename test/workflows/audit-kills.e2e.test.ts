/**
 * Workers killed at random points of an audit: every broken connection is told, and by the receiver's own count once (a
 * notice may be delivered again, with the same id). The whole figure: AUDIT_KILLS=20 AUDIT_USERS=10000.
 */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { getAudit } from '../../db/audits.ts';
import { asSystem } from '../../db/scope.ts';
import { AUDIT_CONNECTIONS, type AuditResult, auditWorkflowId } from '../../workflows/messages.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { type Receiver, startReceiver } from '../setup/receiver.ts';
import { createTestNamespace } from '../setup/temporal.ts';
import { until } from '../setup/until.ts';
import { type WorkerProcess, startWorkerProcess } from '../setup/worker-process.ts';

const KILLS = Number(process.env['AUDIT_KILLS'] ?? 4);
const USERS = Number(process.env['AUDIT_USERS'] ?? 3_000);
/** 2 %, spread over the pages. */
const BROKEN_EVERY = 50;
const PATIENCE_MS = 180_000;
const STARTS = 5;

let bellhop: TestBellhop;
let receiver: Receiver;
let namespace: string;
let worker: WorkerProcess | null = null;
// Each attempt has a stage of its own.
beforeEach(async () => {
  namespace = await createTestNamespace();
  receiver = await startReceiver();
  bellhop = await startTestBellhop({ noWorker: true, namespace });
});
afterEach(async () => {
  await worker?.kill();
  await bellhop?.close();
  await receiver?.close();
});

/** Ids of the notices that came, by the user whom they are about. */
function toldByUser(): ReadonlyMap<string, ReadonlySet<string>> {
  const told = new Map<string, Set<string>>();
  for (const { headers, body } of receiver.received) {
    const userId = String(body.data['userId']);
    told.set(userId, (told.get(userId) ?? new Set()).add(headers['webhook-id'] ?? ''));
  }
  return told;
}
const listRequests = async (): Promise<number> =>
  (await bellhop.sandbox.state()).requests.byRoute['accounts.list'] ?? 0;

async function startWorker(): Promise<WorkerProcess> {
  const env = {
    BELLHOP_WEBHOOK_URL: receiver.url,
    BELLHOP_WEBHOOK_SECRET: Buffer.from('a secret of the integrator').toString('base64'),
    COMPOSIO_REQUESTS_PER_MINUTE: '1000000',
  };
  for (let left = STARTS; ; left -= 1) {
    const started = await startWorkerProcess(bellhop, { namespace, env });
    try {
      await started.polls;
      return started;
    } catch (error) {
      // As a supervisor would: on a starved machine Temporal may answer too late for a start.
      if (left === 1) throw error;
    }
  }
}

/** When the next worker dies: in the middle of its questions, of what it writes, or of its deliveries. */
async function untilDoomed(auditId: string, kill: number): Promise<void> {
  const requests = (await listRequests()) + Math.random() * (USERS / 100);
  const told = toldByUser().size + Math.random() * (USERS / BROKEN_EVERY / KILLS);
  const doom = async () => (kill % 2 === 0 ? (await listRequests()) > requests : toldByUser().size > told);
  const isOver = async () => {
    const audit = await asSystem(bellhop.db, (tx) => getAudit(tx, auditId));
    return audit !== null && audit.status !== 'running';
  };
  await until(`the moment of kill ${kill + 1}`, async () => (await doom()) || (await isOver()), PATIENCE_MS);
}

test(`${KILLS} kills of the worker in an audit of ${USERS} users: each broken connection is told, with one id`, async () => {
  const prefix = `${randomUUID().slice(0, 8)}-`;
  await asSystem(bellhop.db, (tx) =>
    sql`insert into users (user_id) select ${prefix}::text || n from generate_series(0, ${USERS - 1}::int) n`.execute(
      tx,
    ),
  );
  const series = { count: USERS, userIdPrefix: prefix, app: 'slack' };
  await bellhop.sandbox.seedSeries({ ...series, every: BROKEN_EVERY, everyStatus: 'EXPIRED' });
  const broken = Array.from({ length: USERS / BROKEN_EVERY }, (_, i) => `${prefix}${i * BROKEN_EVERY}`);
  // So that there is time to be killed in.
  await bellhop.sandbox.addFault({ match: { route: 'accounts.list' }, action: { type: 'latency', ms: 50 } });

  const auditId = randomUUID();
  worker = await startWorker();
  const handle = await bellhop.client.workflow.start(AUDIT_CONNECTIONS, {
    workflowId: auditWorkflowId(auditId),
    taskQueue: bellhop.taskQueue,
    args: [{ auditId, mode: 'users' }],
  });
  const points: string[] = [];
  for (let kill = 0; kill < KILLS; kill += 1) {
    await untilDoomed(auditId, kill);
    await worker.kill();
    points.push(`${await listRequests()}/${toldByUser().size}`);
    worker = await startWorker();
  }
  const result = (await handle.result()) as AuditResult;
  await until('all are told', async () => toldByUser().size >= broken.length, PATIENCE_MS);
  // For one too many.
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  // Kills that met no work would prove nothing.
  expect(new Set(points).size).toBeGreaterThan(1);
  console.error(`killed at (requests/told): ${points.join(' ')}; ${receiver.received.length} deliveries`);

  const told = toldByUser();
  expect([...told.keys()].sort()).toEqual(broken.sort());
  expect([...told.values()].filter((ids) => ids.size !== 1)).toEqual([]);
  expect(receiver.received.every(({ body }) => body.type === 'connection.expired')).toBe(true);
  const counts = { usersScanned: USERS, broken: broken.length, notified: broken.length, skipped: 0 };
  expect(result).toMatchObject({ status: 'completed', ...counts });
  expect(await asSystem(bellhop.db, (tx) => getAudit(tx, auditId))).toMatchObject(counts);
}, 1_200_000);
