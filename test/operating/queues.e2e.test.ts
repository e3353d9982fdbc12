/** The filters of docs/operating.md on runs in every state, and its runbook of a backlog, with the commands as they stand there. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asSystem } from '../../db/scope.ts';
import { listWaiting } from '../../db/waiters.ts';
import { findFreePort } from '../../sandbox/free-port.ts';
import type { AnyBody } from '../api/setup/api.ts';
import type { ApiProcess } from '../setup/api-process.ts';
import { scripted } from '../setup/bellhop.ts';
import { until } from '../setup/until.ts';
import { filtersOf } from './documented.ts';
import { type OperatedWorker, type Stand, openStand, runIn, startRun, stop, sumOf } from './stand.ts';

const SEND = 'SLACK_SEND_MESSAGE';
const WRITE = { name: SEND, arguments: { channel: 'general', markdown_text: 'hi' } };
const writes = scripted([{ toolCalls: [WRITE] }, { content: 'Done.' }]);
const BACKLOG = 20;
const DESCRIBE = 'temporal task-queue describe --task-queue bellhop';

let stand: Stand;
let api: ApiProcess;
let worker: OperatedWorker;
beforeAll(async () => {
  stand = await openStand();
  // Nobody listens there: deliveries wait.
  const webhook = {
    BELLHOP_WEBHOOK_URL: `http://127.0.0.1:${await findFreePort()}/`,
    BELLHOP_WEBHOOK_SECRET: 'whsec_c2VjcmV0',
  };
  [api, worker] = await Promise.all([stand.startApi(webhook), stand.startWorker(webhook)]);
});
afterAll(async () => await stand?.close());

async function newUser(userId: string, hasSlack = true): Promise<void> {
  expect((await api.call('PUT', `/v1/users/${userId}`, { body: {} })).status).toBe(201);
  if (hasSlack) await stand.bellhop.sandbox.seedAccount({ userId, app: 'slack' });
}

/** One run in each state. @returns what each filter of the document must find, by what the document says that it finds. */
async function play(): Promise<ReadonlyMap<string, RegExp | readonly string[]>> {
  await newUser('alice', false);
  for (const userId of ['bob', 'carol', 'dave', 'erin']) await newUser(userId);
  for (const userId of ['carol', 'dave'])
    await stand.bellhop.sandbox.addFault({
      match: { route: 'tools.execute', userId },
      action: { type: 'status', status: 500, afterEffect: true },
      times: 1,
    });
  const run = async (status: string, body: object): Promise<string> => {
    const id = await startRun(api, { task: writes, ...body });
    await runIn(api, id, status);
    return `run-${id}`;
  };
  const [alice, bob, carol, dave, erin, failed] = await Promise.all([
    run('waiting_for_connection', { userId: 'alice' }),
    run('waiting_for_connection', { userId: 'bob', tools: [SEND, 'GMAIL_SEND_EMAIL'] }),
    run('waiting_for_resolution', { userId: 'carol', onUnknownOutcome: 'wait' }),
    run('completed', { userId: 'dave' }),
    run('waiting_for_approval', { userId: 'erin', approvals: { require: 'writes' } }),
    run('failed', { userId: 'alice', onMissingConnection: 'fail' }),
  ]);
  const [waiting] = await asSystem(stand.bellhop.db, (tx) => listWaiting(tx, alice.slice('run-'.length)));
  const flow = `connect-${waiting?.flowId}`;
  return new Map<string, RegExp | readonly string[]>([
    ['all runs that wait for Slack', [alice, bob]],
    ['exactly what waits for Slack: the open connection flows', [flow]],
    ['runs of user alice', [alice, failed]],
    [
      'everything of user alice that runs: runs, connection flows, deliveries',
      new RegExp(`^(?=.*${alice})(?=.*${flow})(?=.*notice-)(?!.*${failed})`),
    ],
    ['runs with a call whose outcome is unknown', [carol, dave]],
    ['of these, those that wait for a person to find out', [carol]],
    ['runs that wait for an approval', [erin]],
    ['runs that use Slack and failed', [failed]],
    ['deliveries that are not received yet', /^notice-[^ ]+( notice-[^ ]+)+$/],
  ]);
}

const idsIn = (text: string): readonly string[] =>
  [...text.matchAll(/\b(?:run|connect|notice)-[0-9a-f][\w-]+/g)].map(([id]) => id).sort();

describe('the filters', () => {
  let expected: Awaited<ReturnType<typeof play>>;
  beforeAll(async () => {
    expected = await play();
  });

  test('find what the document says, each of them', async () => {
    const filters = filtersOf();
    expect([...filters.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [which, query] of filters) {
      const ids = expected.get(which) ?? [];
      const found = async () =>
        idsIn(await stand.type("temporal workflow list --query '…'", query)).join(' ');
      // The server's index is a moment behind.
      await expect
        .poll(found, { timeout: 60_000, message: which })
        .toSatisfy((text: string) =>
          ids instanceof RegExp ? ids.test(text) : text === ids.toSorted().join(' '),
        );
    }
    const query = filters.get('all runs that wait for Slack') ?? '';
    expect(await stand.type("temporal workflow count --query '…'", query)).toContain('Total: 2');
  }, 300_000);

  test('a run’s checklist is on the command line too', async () => {
    const [run] = (expected.get('all runs that wait for Slack') ?? []) as readonly string[];
    const id = run?.slice('run-'.length) ?? '';
    const shown = await stand.type('temporal workflow metadata --workflow-id run-<id>', id);
    expect(shown).toMatch(
      /\*\*waiting_for_connection\*\*, turn 0[\s\S]*- \[ \] slack: missing, waits for alice since \d/,
    );
  });
});

describe('a backlog', () => {
  const backlogIn = (text: string): number =>
    [...text.slice(0, text.indexOf('Pollers:')).matchAll(/^\s*UNVERSIONED\s+\w+\s+(\d+)/gm)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    );

  test('is shown with those who poll, and is worked off by another worker', async () => {
    const userId = `frank-${randomUUID()}`;
    await newUser(userId);
    await stop(worker);
    const task = scripted([{ content: 'Done.' }]);
    const ids = await Promise.all(Array.from({ length: BACKLOG }, () => startRun(api, { userId, task })));
    await expect
      .poll(async () => backlogIn(await stand.type(DESCRIBE)), { timeout: 60_000 })
      .toBeGreaterThanOrEqual(BACKLOG);
    worker = await stand.startWorker();
    for (const id of ids) await runIn(api, id, 'completed');
    const metrics = await worker.metrics();
    expect(sumOf(metrics, 'temporal_workflow_task_schedule_to_start_latency_seconds_count')).toBeGreaterThan(
      0,
    );
    expect(metrics).toMatch(/^temporal_worker_task_slots_available\{/m);
    await expect.poll(async () => backlogIn(await stand.type(DESCRIBE)), { timeout: 60_000 }).toBe(0);
    expect(await stand.type(DESCRIBE)).toMatch(/Pollers:[\s\S]*\d+@/);
  }, 300_000);

  test('has the audit wait until it is let on, or asked for', async () => {
    const audits = async (): Promise<AnyBody[]> => (await api.call('GET', '/v1/audits')).body.items;
    const before = await audits();
    const isPaused = async () => (await audit().describe()).state.paused;
    const audit = () => stand.bellhop.client.schedule.getHandle('connection-audit');
    await stand.type("temporal schedule toggle --schedule-id connection-audit --pause --reason 'backlog'");
    expect(await isPaused()).toBe(true);
    await stand.type("temporal schedule toggle --schedule-id connection-audit --unpause --reason 'over'");
    expect(await isPaused()).toBe(false);
    expect(await audits()).toEqual(before);
    await stand.type('temporal schedule trigger --schedule-id connection-audit');
    await until('an audit is over', async () => {
      const [newest] = await audits();
      return newest?.id !== before[0]?.id && newest?.status === 'completed';
    });
  });

  test('of tool calls shows on their own queue, where they have one', async () => {
    await stop(worker);
    worker = await stand.startWorker({ TEMPORAL_SEPARATE_QUEUES: 'tools' });
    const shown = () => stand.type('temporal task-queue describe --task-queue bellhop-tools');
    await expect.poll(shown, { timeout: 60_000 }).toMatch(/Pollers:[\s\S]*\d+@/);
    expect(backlogIn(await shown())).toBe(0);
  });
});
