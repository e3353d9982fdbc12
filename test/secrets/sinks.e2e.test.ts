/**
 * Secrets in all places where they could show: the processes' arguments, their logs at the most talkative level, workflow
 * histories, error bodies and metrics. Real processes of the API and the worker, with runs that go well and that fail.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findFreePort } from '../../sandbox/free-port.ts';
import { startTestBellhop, scripted, type TestBellhop } from '../setup/bellhop.ts';
import { testTemporalAddress, testWorkflowBundle } from '../setup/temporal.ts';
import { until } from '../setup/until.ts';
import { send } from '../api/setup/api.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const canary = (name: string): string => `${name}-${randomUUID().replaceAll('-', '')}`;
const BOOTSTRAP = canary('bootstrap');
const SECRETS: Record<string, string> = {
  BELLHOP_API_KEY: BOOTSTRAP,
  // The one that the sandbox takes.
  COMPOSIO_API_KEY: 'sandbox-composio-key',
  OPENAI_API_KEY: canary('model'),
  COMPOSIO_WEBHOOK_SECRET: canary('hook'),
  BELLHOP_WEBHOOK_SECRET: `whsec_${Buffer.from(canary('out')).toString('base64')}`,
  SMTP_URL: `smtp://user:${canary('smtp')}@127.0.0.1:9`,
};

let bellhop: TestBellhop;
let apiPort: number;
let ports: number[];
const children: ChildProcess[] = [];
let output = '';
/** Arguments of our processes and all that they start, looked at again and again. */
const argumentsSeen = new Set<string>();
let watching: NodeJS.Timeout;

beforeAll(async () => {
  bellhop = await startTestBellhop({ noWorker: true });
  apiPort = await findFreePort();
  ports = [await findFreePort(), await findFreePort()];
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: '/nonexistent',
    DATABASE_URL: bellhop.databaseUrl,
    TEMPORAL_ADDRESS: await testTemporalAddress(),
    TEMPORAL_TASK_QUEUE: bellhop.taskQueue,
    BELLHOP_WORKFLOW_BUNDLE: await testWorkflowBundle(),
    COMPOSIO_BASE_URL: bellhop.sandboxUrl,
    OPENAI_BASE_URL: `${bellhop.modelUrl}/v1`,
    BELLHOP_WEBHOOK_URL: 'http://127.0.0.1:9/hook',
    MAIL_FROM: 'a@example.com',
    LOG_LEVEL: 'trace',
    TOOL_TIMEOUT: '3s',
    PORT: String(apiPort),
    METRICS_PORT: String(ports[0]),
    WORKER_METRICS_PORT: String(ports[1]),
    ...SECRETS,
  };
  for (const main of ['api/main.ts', 'worker/main.ts']) {
    const child = spawn(process.execPath, [join(ROOT, main)], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    children.push(child);
  }
  watching = setInterval(noteArguments, 50);
  await until('both are up', async () => output.includes('the worker polls') && (await ready()), 60_000);
});
afterAll(async () => {
  clearInterval(watching);
  for (const child of children) {
    if (child.exitCode !== null) continue;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
  await bellhop.close();
});

const url = (): string => `http://127.0.0.1:${apiPort}`;
const ready = async (): Promise<boolean> =>
  (await send(url(), 'GET', '/healthz', {}).catch(() => ({ status: 0 }))).status === 200;
const bodies: string[] = [];
async function call(method: string, path: string, body?: unknown, key = BOOTSTRAP) {
  const answer = await send(url(), method, path, { body, headers: { authorization: `Bearer ${key}` } });
  // What is answered well may hold the key that was made, or the link that somebody asked for.
  if (answer.status >= 400) bodies.push(answer.text + JSON.stringify(answer.headers));
  return { ...answer, body: answer.text === '' ? null : JSON.parse(answer.text) };
}

/** Ours, and whatever they started: by the parent that /proc names. */
function noteArguments(): void {
  const ours = new Set(children.map((child) => String(child.pid)));
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? '';
      if (!ours.has(pid) && !ours.has(parent)) continue;
      ours.add(pid);
      argumentsSeen.add(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
    } catch {
      // It is gone again.
    }
  }
}

test(
  'no key, no token and no password shows in arguments, logs, histories, error bodies or metrics',
  { timeout: 180_000 },
  async () => {
    const userId = `user-${randomUUID()}`;
    await bellhop.sandbox.clearFaults();
    await call('PUT', `/v1/users/${userId}`, { email: 'someone@example.com' });
    await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const made = (await call('POST', '/v1/api-keys', { name: 'sink', scopes: ['admin'] })).body;
    const hidden = new Map<string, string>([...Object.entries(SECRETS), ['a stored key', made.key]]);
    hidden.set('SMTP_URL', new URL(SECRETS['SMTP_URL'] ?? '').password);

    const toolCalls = [
      { name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'hi' } },
    ];
    const tasks = [
      { task: scripted([{ toolCalls }, { content: 'Done.' }]), tools: ['SLACK_SEND_MESSAGE'] },
      { task: scripted([{ fault: { kind: 'status', status: 401 } }]), tools: ['SLACK_SEND_MESSAGE'] },
      { task: 'Write a mail', tools: ['GMAIL_SEND_EMAIL'], onMissingConnection: 'wait' },
    ];
    const runs: string[] = [];
    for (const body of tasks)
      runs.push((await call('POST', '/v1/runs', { userId, ...body }, made.key)).body.id);
    await bellhop.ended(runs[0] ?? '', 60_000);
    await bellhop.until(runs[2] ?? '', (run) => run.status === 'waiting_for_connection', 60_000);
    const waiting = (await call('GET', `/v1/runs/${runs[2]}`)).body;
    const { connectUrl } = waiting.waitingFor[0];
    const token = new URL(connectUrl).pathname.split('/').at(-1) ?? '';
    hidden.set('the token of a connect link', token);
    const go = await send(url(), 'GET', `/connect/${token}/go`, {
      headers: { host: `localhost:${apiPort}` },
    });
    expect(go.status).toBe(302);
    const [cookie = ''] = [go.headers['set-cookie']].flat();
    hidden.set('the cookie of an attempt', /=([^;]+)/.exec(cookie)?.[1] ?? 'none');

    // What fails: strangers, refusals, Composio that refuses, a receiver that is not there.
    await call('GET', '/v1/users', undefined, 'wrong');
    await call('POST', '/v1/runs', { userId, task: 1 });
    await call('GET', '/v1/runs/unknown');
    await bellhop.sandbox.addFault({
      match: { route: 'accounts.list' },
      action: { type: 'status', status: 500 },
    });
    await call('GET', `/v1/users/${userId}/connections`);
    await call('POST', `/v1/users/${userId}/connections`, { app: 'github' });
    await bellhop.sandbox.clearFaults();
    await send(url(), 'GET', `/oauth/callback/unknown?state=${token}&status=success`, {});

    const histories = await Promise.all(
      runs.map(async (id) =>
        JSON.stringify(
          await bellhop.client.workflow.getHandle(`run-${id}`).fetchHistory(),
          (_key, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString() : value),
        ),
      ),
    );
    const metrics = await Promise.all(
      ports.map(async (port) => (await send(`http://127.0.0.1:${port}`, 'GET', '/metrics', {})).text),
    );
    const sinks = {
      arguments: [...argumentsSeen].join('\n'),
      logs: output,
      histories: histories.join(''),
      bodies: bodies.join('\n'),
      metrics: metrics.join(''),
    };
    // They were looked into: each has what it must have.
    expect(sinks.arguments).toContain('api/main.ts');
    expect(sinks.logs).toContain('/v1/runs');
    expect(sinks.histories).toContain(runs[0]);
    expect(sinks.bodies).toContain('unauthorized');
    expect(sinks.metrics).toContain('process_cpu');
    for (const [name, secret] of hidden) {
      expect([name, secret.length >= 20]).toEqual([name, true]);
      for (const [sink, text] of Object.entries(sinks))
        expect([name, sink, text.includes(secret)]).toEqual([name, sink, false]);
    }
  },
);
