/** Every example runs as its own first lines say, against a real API process, and does what it promises. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Browser } from '../../sandbox/demo/browser.ts';
import { findFreePort } from '../../sandbox/free-port.ts';
import { KEY } from '../api/setup/api.ts';
import { createBrowser } from '../api/setup/browser.ts';
import { type ApiProcess, startApiProcess } from '../setup/api-process.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { testTemporalAddress } from '../setup/temporal.ts';
import { until } from '../setup/until.ts';

const EXAMPLES = join(import.meta.dirname, '..', '..', 'examples');
const SECRET = 'whsec_dGhlIGV4YW1wbGUncyBzZWNyZXQ=';

describe('the Express backend in verifier mode', () => {
  let bellhop: TestBellhop;
  let api: ApiProcess;
  let backend: ChildProcess;
  let url: string;
  beforeAll(async () => {
    url = `http://127.0.0.1:${await findFreePort()}`;
    const webhook = { url: `${url}/bellhop/notices`, secret: SECRET };
    // However late a browser comes back on a busy machine, polling has not given up its consent.
    bellhop = await startTestBellhop({ settings: { verifierMode: true, webhook, callbackGraceMs: 120_000 } });
    api = await startApiProcess(bellhop, { env: { BELLHOP_VERIFIER_URL: `${url}/bellhop/verify` } });
    backend = spawn(process.execPath, [join(EXAMPLES, 'express-verifier', 'server.ts')], {
      env: {
        PORT: new URL(url).port,
        BELLHOP_URL: api.url,
        BELLHOP_API_KEY: KEY,
        BELLHOP_WEBHOOK_SECRET: SECRET,
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    await until('the backend listens', () =>
      fetch(`${url}/notices`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
  });
  afterAll(async () => {
    if (backend?.exitCode === null) {
      const gone = once(backend, 'exit');
      backend.kill('SIGKILL');
      await gone;
    }
    await api?.kill();
    await bellhop?.close();
  });

  /** A person with a browser, logged in at the backend. */
  async function logIn(userId: string) {
    const post = (path: string, body: object, cookie = '') =>
      fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', cookie },
        body: JSON.stringify(body),
      });
    const [cookie = ''] = (await post('/login', { userId })).headers.getSetCookie()[0]?.split(';') ?? [];
    const browser = createBrowser();
    browser.cookies.set('session', cookie.replace('session=', ''));
    return {
      ask: async (task: string) => (await (await post('/tasks', { task }, cookie)).json()) as never,
      /** Opens the link, consents at the provider, and goes where Bellhop sends the browser. */
      connect: async (connectUrl: string) => {
        const go = await browser.get(`${connectUrl}/go`);
        const { location } = await bellhop.sandbox.consent(go.location ?? '', 'approve');
        const back = await browser.visit(location ?? '');
        expect(back.location).toContain(`${url}/bellhop/verify?flow=`);
        return browser.get(back.location ?? '');
      },
    };
  }
  type Asked = { id: string; status: string; waitingFor: { message: string; connectUrl: string }[] };
  /** The answer to a task may come before its connection check is through. */
  const untilAsksToConnect = (runId: string): Promise<Asked> =>
    until('the run asks to connect', async () => {
      const { body } = await api.call<Asked>('GET', `/v1/runs/${runId}?wait=10s`);
      return body.status === 'running' ? null : body;
    });

  test('lets who is logged in connect and go on, and refuses whoever opens somebody else’s link', async () => {
    const [aliceId, malloryId] = [`alice-${randomUUID()}`, `mallory-${randomUUID()}`];
    const [alice, mallory] = [await logIn(aliceId), await logIn(malloryId)];
    const asked: Asked = await alice.ask('Tell #general hello');
    const run = await untilAsksToConnect(asked.id);
    expect(run.status).toBe('waiting_for_connection');
    expect(run.waitingFor[0]?.message).toBe(
      'Please connect your Slack account first in Settings > Integrations.',
    );
    const link = run.waitingFor[0]?.connectUrl ?? '';
    expect((await mallory.connect(link)).status).toBe(409);
    for (const userId of [aliceId, malloryId]) expect(await bellhop.sandbox.accounts({ userId })).toEqual([]);
    expect((await bellhop.run(run.id)).status).toBe('waiting_for_connection');

    const page = await alice.connect(link);
    expect([page.status, page.text]).toEqual([200, 'Connected. You can close this window.']);
    expect((await bellhop.ended(run.id, 60_000)).status).toBe('completed');
    // Whatever one of the two did, or somebody with an account of theirs.
    const people = new Set<string | null>([aliceId, malloryId]);
    const effects = (await bellhop.sandbox.journal())
      .map(({ userId, accountOwner }) => [userId, accountOwner])
      .filter((pair) => pair.some((id) => people.has(id)));
    expect(effects).toEqual([[aliceId, aliceId]]);
    await until('a signed notice of the end', async () => {
      const notices = (await (await fetch(`${url}/notices`)).json()) as {
        type: string;
        data: { runId?: string };
      }[];
      return notices.some(({ type, data }) => type === 'run.completed' && data.runId === run.id);
    });
  });

  test('takes no notice without a signature, and no task of somebody who is not logged in', async () => {
    const forged = { method: 'POST', body: '{"type":"run.completed"}' };
    expect((await fetch(`${url}/bellhop/notices`, forged)).status).toBe(401);
    expect((await fetch(`${url}/tasks`, { method: 'POST' })).status).toBe(401);
    expect((await fetch(`${url}/bellhop/verify?flow=x&code=y`)).status).toBe(401);
  });
});

describe('the scripts', () => {
  let bellhop: TestBellhop;
  let api: ApiProcess;
  beforeAll(async () => {
    bellhop = await startTestBellhop();
    api = await startApiProcess(bellhop);
  });
  afterAll(async () => {
    await api?.kill();
    await bellhop?.close();
  });
  const environment = async () => ({
    PATH: process.env['PATH'],
    HOME: '/nonexistent',
    BELLHOP_URL: api.url,
    BELLHOP_API_KEY: KEY,
    TEMPORAL_ADDRESS: await testTemporalAddress(),
    TEMPORAL_TASK_QUEUE: bellhop.taskQueue,
  });

  test('with the Temporal client a run is started once and followed to its end', async () => {
    const userId = `user-${randomUUID()}`;
    await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const script = [
      join(EXAMPLES, 'temporal-client.ts'),
      userId,
      'Tell #general hello',
      'SLACK_SEND_MESSAGE',
    ];
    const { stdout } = await promisify(execFile)(process.execPath, script, { env: await environment() });
    expect(stdout).toMatch(/^run (\S+) is workflow run-\1$/m);
    expect(stdout).toMatch(/^status (running|completed)/m);
    expect(stdout).toContain('ended {"status":"completed"}');
    expect(await bellhop.sandbox.journal({ userId })).toHaveLength(1);
  });

  test('a workflow for a run that was never accepted fails at once and does nothing', async () => {
    const runId = randomUUID();
    const handle = await bellhop.client.workflow.start('agentRun', {
      workflowId: `run-${runId}`,
      taskQueue: bellhop.taskQueue,
      args: [{ runId, userId: 'nobody' }],
    });
    await expect(handle.result()).rejects.toThrow();
    expect(await bellhop.sandbox.journal({ userId: 'nobody' })).toEqual([]);
  });

  test('with curl a run is started, waits, is connected from its link, and answers', async () => {
    const userId = `user-${randomUUID()}`;
    const child = spawn('sh', [join(EXAMPLES, 'curl.sh'), userId], {
      env: await environment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const exited = once(child, 'exit');
    const link = await until('the link', async () => /^connect Slack: (\S+)$/m.exec(said)?.[1], 60_000);
    const browser = new Browser();
    const consent = await browser.click(await browser.open(link), /\/go$/);
    expect((await browser.submit(consent, { decision: 'approve' })).status).toBe(200);
    expect(await exited).toEqual([0, null]);
    expect(said).toMatch(/^event: ?run\.started$/m);
    expect(said).toMatch(/^event: ?run\.completed$/m);
    expect(said.trimEnd().split('\n').at(-1)).not.toMatch(/^event/);
    expect(await bellhop.sandbox.journal({ userId })).toHaveLength(1);
  });
});
