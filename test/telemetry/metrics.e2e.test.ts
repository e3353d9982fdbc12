/** /metrics of a real API and a real worker: what the dashboard asks for is there, and no user is in it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { untilEnded } from '../api/setup/settled-run.ts';
import { scripted } from '../setup/bellhop.ts';
import { until } from '../setup/until.ts';
import { type Processes, startProcesses } from './processes.ts';

const DASHBOARD = join(import.meta.dirname, '..', '..', 'deploy', 'grafana', 'bellhop.json');
const USER = 'watched-user-7';

let processes: Processes;
let told: { api: string; worker: string };
beforeAll(async () => {
  processes = await startProcesses();
  const { bellhop, call } = processes;
  await call('PUT', `/v1/users/${USER}`, {});
  await bellhop.sandbox.seedAccount({ userId: USER, app: 'slack' });
  const task = scripted([
    { toolCalls: [{ name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'x' } }] },
    { content: 'Done.' },
  ]);
  const run = (more: object) => call('POST', '/v1/runs', { userId: USER, ...more });
  const { body: done } = await run({ task, tools: ['SLACK_SEND_MESSAGE'] });
  await untilEnded(processes, done.id);
  await run({ task: 'Read my mail', tools: ['GMAIL_FETCH_EMAILS'] });
  const { body: failed } = await run({
    task: 'Read my mail',
    tools: ['GMAIL_FETCH_EMAILS'],
    onMissingConnection: 'fail',
  });
  await untilEnded(processes, failed.id);
  // Figures from the database are up to 10 s old.
  await until(
    'the gauges know the run that waits',
    async () => {
      told = await processes.metrics();
      return /^bellhop_runs_waiting\{app="gmail"\} 1$/m.test(told.worker);
    },
    60_000,
  );
}, 360_000);
afterAll(async () => await processes?.close());

/** Names of metrics, and of a histogram the three that are asked for. */
function namesIn(text: string): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [, name = '', type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    names.add(name);
    if (type === 'histogram') for (const part of ['bucket', 'sum', 'count']) names.add(`${name}_${part}`);
  }
  return names;
}
const asked = (): readonly string[] => {
  const { panels } = JSON.parse(readFileSync(DASHBOARD, 'utf8')) as {
    panels: readonly { targets?: readonly { expr: string }[] }[];
  };
  const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  return [
    ...new Set(expressions.flatMap((expr) => expr.match(/\b(?:bellhop|temporal|nodejs|process)_\w+/g) ?? [])),
  ];
};

describe('the dashboard', () => {
  it('asks only for metrics that API or worker have, and for each of ours', () => {
    const names = new Set([...namesIn(told.api), ...namesIn(told.worker)]);
    expect(asked().length).toBeGreaterThan(30);
    expect(asked().filter((name) => !names.has(name))).toEqual([]);
    const ours = [
      ...told.api.matchAll(/^# TYPE (bellhop_\S+)/gm),
      ...told.worker.matchAll(/^# TYPE (bellhop_\S+)/gm),
    ].map(([, name = '']) => name);
    const unasked = ours.filter((name) => !asked().some((used) => used.startsWith(name)));
    // What the audit costs and when it began is for ad hoc questions.
    expect([...new Set(unasked)].sort()).toEqual([
      'bellhop_audit_composio_requests',
      'bellhop_audit_started_timestamp_seconds',
    ]);
  });
});

describe('/metrics', () => {
  it('counts runs, calls and tokens where they happened', () => {
    const { worker, api } = told;
    expect(worker).toContain('bellhop_runs_ended_total{status="completed",error=""} 1');
    expect(worker).toContain('bellhop_runs_ended_total{status="failed",error="connection_required"} 1');
    expect(worker).toContain('bellhop_tool_calls_total{outcome="done"} 1');
    expect(worker).toContain('bellhop_composio_executions_total{app="slack",outcome="ok"} 1');
    expect(worker).toMatch(/bellhop_model_tokens_total\{direction="output"\} [1-9]/);
    expect(worker).toMatch(/^temporal_activity_execution_latency_seconds_count/m);
    expect(api).toMatch(
      /bellhop_http_request_duration_seconds_count\{route="\/v1\/runs",method="post",status="202"\} 3/,
    );
  });

  it('says the same of the rows whichever process is asked', async () => {
    const rows = (text: string): readonly string[] =>
      text
        .split('\n')
        .filter((line) =>
          /^bellhop_(runs|connect_flows_open|deliveries|tool_calls_unknown|audit)\b/.test(line),
        );
    expect(rows(told.worker).length).toBeGreaterThan(2);
    // One may have looked 10 s before the other.
    await expect
      .poll(async () => {
        const { api, worker } = await processes.metrics();
        return JSON.stringify(rows(api)) === JSON.stringify(rows(worker)) ? rows(api) : [];
      })
      .toContain('bellhop_runs{status="waiting_for_connection"} 1');
  });

  it('names no user, and no run', () => {
    for (const text of [told.api, told.worker]) expect(text).not.toContain(USER);
    // The test's own namespace and task queue are called by such ids.
    const ids = [told.api, told.worker]
      .map((text) => text.replaceAll(/\b(namespace|task_queue)="[^"]*"/g, ''))
      .flatMap((text) => text.match(/.*[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}.*/g) ?? []);
    expect(ids).toEqual([]);
  });
});
