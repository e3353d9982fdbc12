/** A whole worker process does a run and talks to the configured hosts only, whatever its environment asks for. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type RecordingProxy, createRecordingProxy } from '../composio/recording-proxy.ts';
import { type TestBellhop, startTestBellhop } from '../setup/bellhop.ts';
import { childrenOf, remotesOf } from '../setup/sockets.ts';
import { createTestNamespace, testTemporalAddress, testWorkflowBundle } from '../setup/temporal.ts';

let bellhop: TestBellhop;
let proxy: RecordingProxy;
let namespace: string;
let home: string;
// Each attempt has a stage of its own.
beforeEach(async () => {
  namespace = await createTestNamespace();
  bellhop = await startTestBellhop({ noWorker: true, namespace });
  proxy = await createRecordingProxy();
  home = mkdtempSync(join(tmpdir(), 'bellhop-home-'));
});
afterEach(async () => {
  await bellhop?.close();
  await proxy?.close();
  rmSync(home, { recursive: true, force: true });
});

test('a worker that does a run contacts only what it was configured with, and starts no process', async () => {
  const temporal = await testTemporalAddress();
  const worker = spawn(process.execPath, [join(import.meta.dirname, '../../worker/main.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      // No `node` to start, a home with nothing in it, and every request that can go through a proxy goes through ours.
      PATH: home,
      HOME: home,
      HTTP_PROXY: proxy.url,
      HTTPS_PROXY: proxy.url,
      http_proxy: proxy.url,
      https_proxy: proxy.url,
      NODE_USE_ENV_PROXY: '1',
      NO_PROXY: '',
      TELEMETRY_DISABLED: 'false',
      DATABASE_URL: bellhop.databaseUrl,
      TEMPORAL_ADDRESS: temporal,
      TEMPORAL_NAMESPACE: namespace,
      TEMPORAL_TASK_QUEUE: bellhop.taskQueue,
      COMPOSIO_API_KEY: 'sandbox-composio-key',
      COMPOSIO_BASE_URL: bellhop.sandboxUrl,
      OPENAI_API_KEY: 'sandbox-model-key',
      OPENAI_BASE_URL: `${bellhop.modelUrl}/v1`,
      BELLHOP_WORKFLOW_BUNDLE: await testWorkflowBundle(),
    },
  });
  const gone = new Promise<number | null>((resolve) => worker.once('exit', resolve));
  const pid = worker.pid ?? 0;
  const remotes = new Set<string>();
  const children = new Set<number>();
  const look = (): void => {
    for (const remote of remotesOf(pid)) remotes.add(remote);
    for (const child of childrenOf(pid)) children.add(child);
  };
  const watch = setInterval(look, 25);
  try {
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: worker.stdout }).on(
        'line',
        (line) => line.includes('the worker polls') && resolve(),
      );
      void gone.then((code) => reject(new Error(`the worker ended with ${code}`)));
    });
    await bellhop.putUser('alice');
    await bellhop.sandbox.seedAccount({ userId: 'alice', app: 'slack', status: 'ACTIVE' });
    const runId = await bellhop.start({
      userId: 'alice',
      task: 'Tell #general hello',
      tools: ['SLACK_SEND_MESSAGE'],
    });
    expect((await bellhop.ended(runId)).status).toBe('completed');
    look();
  } finally {
    clearInterval(watch);
    worker.kill('SIGTERM');
  }
  expect(await gone).toBe(0);
  const database = new URL(bellhop.databaseUrl);
  const configured = [bellhop.sandboxUrl, bellhop.modelUrl].map((url) => new URL(url).host);
  // Through the proxy: Composio and the model were asked, and nobody else.
  const asked = new Set(
    proxy.targets.map((target) => (target.includes('//') ? new URL(target).host : target)),
  );
  expect([...asked].sort()).toEqual(expect.arrayContaining(configured.sort()));
  expect([...asked].filter((host) => ![...configured, temporal].includes(host))).toEqual([]);
  // Past the proxy: the kernel saw sockets to these only.
  const direct = [temporal, `127.0.0.1:${database.port}`, new URL(proxy.url).host, ...configured];
  expect([...remotes].filter((remote) => !direct.includes(remote))).toEqual([]);
  expect(remotes).toContain(temporal);
  expect([...children]).toEqual([]);
});
