/**
 * Every workflow says in the Temporal UI what it is, and has a fairness key: held for each place in the code that starts one,
 * and by a real server for each workflow type, however it comes to be started.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureSchedules } from '../../worker/schedules.ts';
import * as workflows from '../../workflows/index.ts';
import {
  AUDIT_SCHEDULE_ID,
  RETENTION_SCHEDULE_ID,
  SWEEP_SCHEDULE_ID,
  eraseWorkflowId,
} from '../../workflows/messages.ts';
import { type TestApi, startTestApi } from '../api/setup/api.ts';
import { createNotices } from '../setup/notices.ts';
import { createTestNamespace, testTemporalAddress } from '../setup/temporal.ts';
import { until } from '../setup/until.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** Where the product's own code starts workflows; examples and benches are an integrator's and an operator's. */
const PRODUCT = ['activities', 'api', 'telemetry', 'worker', 'workflows'];
const STARTS =
  /\.workflow\.(?:start|execute|signalWithStart)(?:<.*>)?\(|new WithStartWorkflowOperation\(|\bstartChild\(|\bexecuteChild\(|type: 'startWorkflow',/g;

type Start = { readonly file: string; readonly text: string; readonly source: string };

function findStarts(): readonly Start[] {
  return PRODUCT.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .flatMap((name) => startsIn(join(folder, name), readFileSync(join(ROOT, folder, name), 'utf8'))),
  );
}

function startsIn(file: string, source: string): readonly Start[] {
  return [...source.matchAll(STARTS)].map(({ index, 0: found }) => {
    // From its first bracket to the one that closes it; of a Schedule's action, the object that it stands in.
    const open = found.endsWith('(') ? index + found.length - 1 : source.lastIndexOf('{', index);
    return { file, text: source.slice(open, closing(source, open)), source };
  });
}

function closing(source: string, open: number): number {
  let depth = 0;
  for (let at = open; at < source.length; at += 1) {
    if ('({'.includes(source[at] ?? '')) depth += 1;
    if (')}'.includes(source[at] ?? '')) depth -= 1;
    if (depth === 0) return at;
  }
  return source.length;
}

const LABEL = /\.\.\.label[A-Z]\w*\(/;

/** Functions of this source that make a start's options and spread a label into them. */
function makersIn(source: string): readonly string[] {
  return [...source.matchAll(/function (\w*[oO]ptions\w*|\w+Start)\(/g)]
    .filter(({ index }) => LABEL.test(source.slice(index).split('\n}\n')[0] ?? ''))
    .map(([, name = '']) => name);
}

const SHARED = makersIn(readFileSync(join(ROOT, 'workflows', 'messages.ts'), 'utf8'));

/** Spreads a label itself, or takes its options from a function that does, of the same file or of workflows/messages.ts. */
function isLabelled({ text, source }: Start): boolean {
  if (LABEL.test(text)) return true;
  const makers = [...makersIn(source), ...SHARED].filter((name) => source.includes(`${name}(`));
  return makers.some((name) => text.includes(`${name}(`)) || (makers.length > 0 && /\boptions\b/.test(text));
}

describe('each place that starts a workflow', () => {
  test('gives it summary, details, priority and fairness key', () => {
    const starts = findStarts();
    // As many as there are: one that this pattern no longer finds would be one that nobody holds.
    expect(starts.length).toBeGreaterThanOrEqual(16);
    expect(starts.filter((start) => !isLabelled(start)).map(({ file, text }) => `${file}: ${text}`)).toEqual(
      [],
    );
  });

  test('is found when it gives none', () => {
    const bare = `await client.workflow.start(SWEEP, { workflowId: 'x', taskQueue, args: [] });`;
    const action = `createOnce(client, { action: { type: 'startWorkflow', workflowType: SWEEP } });`;
    const variable = `const options = { workflowId: 'x' };\nawait client.workflow.start(SWEEP, options);`;
    for (const source of [bare, action, variable]) {
      expect(startsIn('x.ts', source)).toHaveLength(1);
      expect(startsIn('x.ts', source).filter(isLabelled)).toEqual([]);
    }
  });
});

describe('each workflow type', () => {
  const SECRET = 'a secret of composio';
  const shown = new Map<string, { summary: string; details: string; priority: unknown }>();
  let api: TestApi;
  let client: Client;
  let erasureId: string;
  const userId = `user-${randomUUID()}`;

  async function look(from: Client, workflowId: string): Promise<true | null> {
    const handle = from.workflow.getHandle(workflowId);
    const described = await handle.describe().catch(() => null);
    if (described === null) return null;
    const { priorityKey, fairnessKey } = described.raw.workflowExecutionInfo?.priority ?? {};
    shown.set(described.type, {
      summary: (await described.staticSummary()) ?? '',
      details: (await described.staticDetails()) ?? '',
      priority: { priorityKey, fairnessKey },
    });
    return true;
  }

  beforeAll(async () => {
    // Nobody works: what is started stands there to be looked at.
    api = await startTestApi({ noWorker: true, webhookSecrets: [SECRET] });
    const call = async (method: string, path: string, body?: object) => {
      const answer = await api.call(method, path, body === undefined ? {} : { body });
      expect(answer.status, answer.text).toBeLessThan(300);
      return answer.body;
    };
    await call('PUT', `/v1/users/${userId}`, {});
    const run = { userId, task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'] };
    const started = await api.call('POST', '/v1/runs', { body: run, headers: { prefer: 'respond-async' } });
    expect(started.status).toBe(202);
    const { flowId } = await call('POST', `/v1/users/${userId}/connections`, { app: 'slack' });
    const noticeId = await createNotices(api.bellhop).write(userId);
    const { items } = await call('GET', '/v1/deliveries');
    await call('POST', `/v1/deliveries/${items[0].id}/retry`);
    const body = JSON.stringify({
      id: randomUUID(),
      type: 'composio.connected_account.expired',
      timestamp: new Date().toISOString(),
      metadata: { log_id: 'x', project_id: 'x' },
      data: { id: 'ca_x', user_id: userId, status: 'EXPIRED' },
    });
    const at = new Date();
    const answer = await api.call('POST', '/v1/webhooks/composio', {
      body,
      headers: {
        'content-type': 'application/json',
        'webhook-id': 'msg_1',
        'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
        'webhook-signature': new Webhook(SECRET, { format: 'raw' }).sign('msg_1', at, body),
      },
    });
    expect(answer.status, answer.text).toBeLessThan(300);
    ({ erasureId } = await call('DELETE', `/v1/users/${userId}`));

    const address = await testTemporalAddress();
    client = new Client({
      connection: await Connection.connect({ address }),
      namespace: await createTestNamespace(),
    });
    await ensureSchedules(client, { taskQueue: 'nobody', auditCron: '0 3 * * *' });
    for (const id of [AUDIT_SCHEDULE_ID, SWEEP_SCHEDULE_ID, RETENTION_SCHEDULE_ID])
      await client.schedule.getHandle(id).trigger();
    const types = Object.keys(workflows);
    await until(
      `one of each of ${types.join(', ')}`,
      async () => {
        for (const id of [started.body.workflowId, `connect-${flowId}`, `notice-${noticeId}`])
          await look(api.bellhop.client, id);
        await look(api.bellhop.client, eraseWorkflowId(erasureId));
        await look(api.bellhop.client, `webhook-events-${api.bellhop.taskQueue}`);
        for await (const { workflowId } of client.workflow.list()) await look(client, workflowId);
        return types.every((type) => shown.has(type));
      },
      60_000,
    );
  });
  afterAll(async () => {
    for await (const { workflowId } of api.bellhop.client.workflow.list({
      query: `TaskQueue="${api.bellhop.taskQueue}" AND ExecutionStatus="Running"`,
    }))
      await api.bellhop.client.workflow
        .getHandle(workflowId)
        .terminate()
        .catch(() => undefined);
    await client.connection.close();
    await api.close();
  });

  test.each(Object.keys(workflows))('%s says what it is and takes a share of its own', (type) => {
    const { summary, details, priority } = shown.get(type) ?? expect.unreachable();
    expect(summary).not.toBe('');
    expect(details).toMatch(/^- \w+: `/);
    expect(priority).toMatchObject({ priorityKey: expect.toSatisfy((key: number) => key > 0) });
    expect(priority).toMatchObject({ fairnessKey: expect.stringMatching(/./) });
  });

  test('that is about a user has that user’s key, and an erasure names nobody', () => {
    const keyOf = (type: string) => shown.get(type)?.priority;
    for (const type of ['agentRun', 'connectAccount', 'deliverNotice'])
      expect(keyOf(type), type).toMatchObject({ fairnessKey: userId });
    expect(JSON.stringify(shown.get('eraseUser'))).not.toContain(userId);
    expect(keyOf('eraseUser')).toMatchObject({ fairnessKey: `bellhop:erasure:${erasureId}` });
  });
});
