/**
 * What users write, what tools answer and what opens doors, looked for in every place that operators read: logs, traces,
 * metrics, workflow history with all that the Temporal UI shows, the database beyond its own columns, error bodies. And what
 * must be there: one trace from the request to the execution, ids on the log lines, a checklist in the UI.
 */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asSystem } from '../../db/scope.ts';
import { APPS_ATTRIBUTE, STATUS_ATTRIBUTE, USER_ATTRIBUTE, runWorkflowId } from '../../workflows/messages.ts';
import { send } from '../api/setup/api.ts';
import { untilEnded, untilSettled } from '../api/setup/settled-run.ts';
import { scripted } from '../setup/bellhop.ts';
import { until } from '../setup/until.ts';
import { type OtlpReceiver, startOtlpReceiver } from './otlp-receiver.ts';
import { BOOTSTRAP_KEY, type Processes, startProcesses } from './processes.ts';

const USER = 'canary-user';
/** What people and tools said. */
const CONTENT = [
  'TASK',
  'INSTRUCTION',
  'ARGUMENT',
  'EDITED',
  'OUTPUT',
  'MAIL',
  'NAME',
  'METADATA',
  'RESULT',
  'PROVIDER',
].map((what) => `CANARY${what}`);
const [TASK, INSTRUCTION, ARGUMENT, EDITED, OUTPUT, MAIL, NAME, METADATA, RESULT, PROVIDER] = CONTENT as [
  string,
  string,
  string,
  string,
  string,
  string,
  string,
  string,
  string,
  string,
];
/** What would open a door. Those of connect links join when they are made. */
const secrets = [BOOTSTRAP_KEY, 'sandbox-composio-key', 'sandbox-model-key', 'CANARYWRONGKEY', 'CANARYSTATE'];

let otlp: OtlpReceiver;
let processes: Processes;
let runId: string;
let waitingId: string;
let unknownId: string;
let uncheckedId: string;
let metrics: string;
const errors: string[] = [];

const write = (text: string) => ({
  toolCalls: [{ name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: text } }],
});
const tools = ['SLACK_SEND_MESSAGE'];

beforeAll(async () => {
  otlp = await startOtlpReceiver();
  processes = await startProcesses({ OTEL_EXPORTER_OTLP_ENDPOINT: otlp.url, OTEL_BSP_SCHEDULE_DELAY: '200' });
  const { call, bellhop, url } = processes;
  await call('PUT', `/v1/users/${USER}`, {
    email: `${MAIL}@example.com`,
    displayName: NAME,
    metadata: { k: METADATA },
  });
  await bellhop.sandbox.seedAccount({ userId: USER, app: 'slack' });
  const start = async (more: object) => {
    const { status, body } = await call('POST', '/v1/runs', { userId: USER, tools, ...more });
    expect(status).toBe(202);
    return body;
  };
  const settled = async (id: string) => await untilSettled(processes, id);
  const task = scripted([write(ARGUMENT), { content: OUTPUT }], TASK);
  // The API's own looks at Composio fail, so that it has something to say of what was answered.
  await call('GET', `/v1/users/${USER}/connections`);
  for (const match of [{ pathPrefix: '/connected_accounts', userId: USER }, { route: 'tools.list' }])
    await bellhop.sandbox.addFault({
      match,
      action: { type: 'status', status: 500, body: { error: { message: PROVIDER } } },
      times: 1,
    });
  expect((await call('GET', `/v1/users/${USER}/connections`)).text).toContain('"stale":true');
  ({ id: uncheckedId } = await start({ task: TASK, onMissingConnection: 'fail', tools: ['NOTION_SEARCH'] }));
  await settled(uncheckedId);
  // The first look at the accounts fails, so that the worker has something to say.
  await bellhop.sandbox.addFault({
    match: { pathPrefix: '/connected_accounts', userId: USER },
    action: { type: 'status', status: 500, body: { error: { message: PROVIDER } } },
    times: 1,
  });
  ({ id: runId } = await start({
    task,
    instructions: INSTRUCTION,
    metadata: { k: METADATA },
    approvals: { require: 'writes' },
  }));
  const toApprove = await settled(runId);
  expect(toApprove.status).toBe('waiting_for_approval');
  const [asked] = toApprove.toolCalls;
  const edited = { channel: 'general', markdown_text: EDITED };
  await call('POST', `/v1/runs/${runId}/approvals/${asked.id}`, {
    decision: 'approve',
    approver: 'dana',
    reason: RESULT,
    arguments: edited,
  });
  expect((await untilEnded(processes, runId)).status).toBe('completed');

  await bellhop.sandbox.addFault({
    match: { route: 'tools.execute', userId: USER },
    action: { type: 'status', status: 500, afterEffect: true, body: { error: { message: PROVIDER } } },
    times: 1,
  });
  ({ id: unknownId } = await start({ task: scripted([write(ARGUMENT), { content: OUTPUT }], TASK) }));
  await untilEnded(processes, unknownId);

  ({ id: waitingId } = await start({ task: TASK, tools: ['GMAIL_FETCH_EMAILS'] }));
  const waiting = await settled(waitingId);
  const { flowId } = (await call('POST', `/v1/users/${USER}/connections`, { app: 'gmail' })).body;
  const link: string = waiting.waitingFor[0].connectUrl;
  secrets.push(link.slice(link.lastIndexOf('/') + 1));
  await send(url, 'GET', new URL(link).pathname, {});
  const clicked = await send(url, 'GET', `${new URL(link).pathname}/go`, {});
  expect(clicked.status).toBe(302);
  errors.push(
    (await send(url, 'GET', '/oauth/callback/nobody?state=CANARYSTATE&connected_account_id=x', {})).text,
  );
  errors.push(
    (await send(url, 'GET', `/v1/runs/${runId}`, { headers: { authorization: 'Bearer CANARYWRONGKEY' } }))
      .text,
  );
  errors.push((await call('POST', '/v1/runs', { userId: USER, tools: 'none', task: TASK })).text);
  errors.push((await call('POST', '/v1/runs', { userId: USER, tools, task: { text: TASK } })).text);
  errors.push(
    (await call('POST', `/v1/runs/${runId}/approvals/none`, { decision: RESULT, approver: 'x' })).text,
  );
  errors.push((await call('GET', '/v1/runs/none')).text);
  await until(
    'the flow polls',
    async () => (await historyOf(`connect-${flowId}`)).includes('until the next poll'),
    60_000,
  );
  const told = await processes.metrics();
  metrics = told.api + told.worker;
}, 400_000);
afterAll(async () => {
  await processes?.close();
  await otlp?.close();
});

/** Every byte of it as text. Not by JSON: the classes of the protocol write payloads as base64 there, which hides what is in them. */
function textOf(value: unknown): string {
  if (ArrayBuffer.isView(value)) return Buffer.from(value as Uint8Array).toString('utf8');
  if (Array.isArray(value)) return value.map(textOf).join('\n');
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, inner]) => `${name}: ${textOf(inner)}`)
    .join('\n');
}
async function historyOf(workflowId: string): Promise<string> {
  const handle = processes.bellhop.client.workflow.getHandle(workflowId);
  return textOf(await handle.fetchHistory());
}
/** What the UI shows beside the history. */
async function shownOf(workflowId: string): Promise<string> {
  const handle = processes.bellhop.client.workflow.getHandle(workflowId);
  const { raw, ...described } = await handle.describe();
  const details = await handle.query('__temporal_workflow_metadata').catch(() => '');
  return textOf([
    raw,
    described.memo,
    described.searchAttributes,
    await described.staticSummary(),
    await described.staticDetails(),
    details,
  ]);
}
const foundIn = (text: string, words: readonly string[]): readonly string[] =>
  words.filter((word) => text.includes(word));
const lines = () =>
  processes.logged().map((line) => {
    try {
      return JSON.parse(line) as Record<string, unknown> & {
        req?: { method: string; url: string };
        res?: { status: number };
      };
    } catch {
      throw new Error(`a log line is no JSON: ${line}`);
    }
  });

describe('the Temporal UI', () => {
  it('says of a run what waits for whom, and since when', async () => {
    const shown = await shownOf(runWorkflowId(waitingId));
    expect(shown).toContain(`run for ${USER}`);
    expect(shown).toMatch(
      /\*\*waiting_for_connection\*\*, turn 0\n\n- \[ \] gmail: missing, waits for canary-user since \d{4}-\d\d-\d\dT/,
    );
    expect(await historyOf(runWorkflowId(waitingId))).toMatch(/gmail to be connected/);
    expect(await historyOf(runWorkflowId(runId))).toMatch(/turn 1: SLACK_SEND_MESSAGE/);
  });

  it('finds runs by user, by the app that they wait for and by a call whose outcome is unknown', async () => {
    const { client } = processes.bellhop;
    const find = async (query: string): Promise<readonly string[]> => {
      const found: string[] = [];
      for await (const { workflowId } of client.workflow.list({
        query: `WorkflowType = "agentRun" AND ${query}`,
      }))
        found.push(workflowId);
      return found.sort();
    };
    const finds = async (query: string, ids: readonly string[]) =>
      expect.poll(() => find(query), { timeout: 60_000 }).toEqual(ids.map(runWorkflowId).sort());
    await finds(`${USER_ATTRIBUTE.name} = "${USER}"`, [runId, unknownId, waitingId, uncheckedId]);
    const waits = `${STATUS_ATTRIBUTE.name} = "waiting_for_connection"`;
    await finds(`${waits} AND ${APPS_ATTRIBUTE.name} = "gmail"`, [waitingId]);
    await finds(`${waits} AND ${APPS_ATTRIBUTE.name} = "slack"`, []);
    await finds(`${APPS_ATTRIBUTE.name} = "outcome:unknown"`, [unknownId]);
    await finds(`${APPS_ATTRIBUTE.name} = "slack" AND ${STATUS_ATTRIBUTE.name} = "completed"`, [
      runId,
      unknownId,
    ]);
  });
});

describe('log lines', () => {
  it('name run and user wherever there is one', () => {
    const requests = lines().filter(
      ({ req, res }) => req?.url.startsWith('/v1/runs') && (res?.status ?? 500) < 400,
    );
    expect(requests.length).toBeGreaterThan(6);
    expect(requests.filter((line) => line['userId'] !== USER || typeof line['runId'] !== 'string')).toEqual(
      [],
    );
    const ofWorker = lines().filter((line) => String(line['workflowId']).startsWith('run-'));
    expect(ofWorker.map(({ msg }) => msg)).toContain('activity attempt failed');
    expect(
      ofWorker.filter(
        (line) => line['userId'] !== USER || line['workflowId'] !== `run-${String(line['runId'])}`,
      ),
    ).toEqual([]);
  });
});

describe('content and secrets', () => {
  it('are in no log line, whatever Composio answered', () => {
    const said = lines().map(({ msg }) => msg);
    expect(said).toContain('connections are shown as last seen');
    expect(said).toContain('tools could not be checked; the run will');
    expect(foundIn(processes.logged().join('\n'), [...CONTENT, ...secrets])).toEqual([]);
  });

  it('are in no metric', () => {
    expect(metrics).toContain('bellhop_tool_calls_total{outcome="unknown"} 1');
    expect(foundIn(metrics, [...CONTENT, ...secrets, USER])).toEqual([]);
  });

  it('are in no history, and in nothing that the Temporal UI shows', async () => {
    const ids: string[] = [];
    for await (const { workflowId } of processes.bellhop.client.workflow.list()) ids.push(workflowId);
    expect(ids.length).toBeGreaterThanOrEqual(4);
    // What is in payloads would be seen.
    expect(await historyOf(runWorkflowId(runId))).toContain(`"userId":"${USER}"`);
    for (const id of new Set(ids)) {
      const text = (await historyOf(id)) + (await shownOf(id));
      expect(foundIn(text, [...CONTENT, ...secrets]), id).toEqual([]);
    }
  });

  it('are in the database only where they belong, keys nowhere', async () => {
    const { db } = processes.bellhop;
    const { rows: columns } = await asSystem(db, (tx) =>
      sql<{
        table: string;
        column: string;
      }>`select c.table_name as "table", c.column_name as "column" from information_schema.columns c
        join information_schema.tables t using (table_schema, table_name)
        where table_schema = 'public' and table_type = 'BASE TABLE' and c.table_name not like 'kysely%'`.execute(
        tx,
      ),
    );
    const found: Record<string, readonly string[]> = {};
    for (const { table, column } of columns) {
      const { rows } = await asSystem(db, (tx) =>
        sql<{
          text: string | null;
        }>`select string_agg(${sql.ref(column)}::text, ' ') as text from ${sql.table(table)}`.execute(tx),
      );
      const words = foundIn(rows[0]?.text ?? '', [...CONTENT, ...secrets]);
      if (words.length > 0) found[`${table}.${column}`] = words;
    }
    const token = secrets.at(-1);
    expect(Object.keys(found).sort()).toEqual(
      [
        'approvals.reason',
        'connection_flows.token',
        'messages.content',
        'runs.instructions',
        'runs.metadata',
        'runs.output',
        'runs.task',
        'tool_calls.arguments',
        'tool_calls.edited_arguments',
        'tool_calls.error',
        'tool_calls.result',
        'users.display_name',
        'users.email',
        'users.metadata',
      ].filter((name) => name in found || name !== 'tool_calls.result'),
    );
    expect(found['connection_flows.token']).toEqual([token]);
  });

  it('are in no error body', () => {
    expect(errors).toHaveLength(6);
    expect(errors.filter((text) => text === '')).toEqual([]);
    expect(foundIn(errors.join('\n'), [...CONTENT, ...secrets])).toEqual([]);
  });
});

// The last: what the processes still hold is sent when they stop.
describe('traces', () => {
  it('are one from the request through the workflow to the model and the execution, without content', async () => {
    await processes.stop();
    const spans = otlp.spans();
    const byId = new Map(spans.map((span) => [span.spanId, span]));
    const pathOf = (name: string): readonly string[] => {
      const path: string[] = [];
      for (
        let span = spans.find((candidate) => candidate.name === name);
        span;
        span = byId.get(span.parentSpanId ?? '')
      )
        path.unshift(`${span.service}: ${span.name}`);
      return path;
    };
    const start = ['bellhop-api: POST /v1/runs', expect.stringMatching(/^bellhop-api: \w+WithStart\w*:/)];
    expect(pathOf('composio SLACK_SEND_MESSAGE')).toEqual([
      ...start,
      'bellhop-worker: RunActivity:executeTool',
      'bellhop-worker: composio SLACK_SEND_MESSAGE',
    ]);
    expect(pathOf('model completion')).toEqual([
      ...start,
      'bellhop-worker: RunActivity:callModel',
      'bellhop-worker: model completion',
    ]);
    expect(foundIn(otlp.texts().join('\n'), [...CONTENT, ...secrets])).toEqual([]);
  });
});
