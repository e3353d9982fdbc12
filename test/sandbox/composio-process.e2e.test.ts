/** The Composio sandbox as a process: start, stop, taken port; and the retired wire as the unbridged SDK meets it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { createSandboxControl } from '../../sandbox/composio/control.ts';
import { openHarness } from './composio-harness.ts';

const MAIN = join(import.meta.dirname, '../../sandbox/composio/main.ts');
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function start(env: Record<string, string> = {}, ipc = false): ChildProcess {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])],
  });
  children.push(child);
  return child;
}

async function readyUrl(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error('no stdout');
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const said = JSON.parse(line) as { ready: boolean; url: string };
  expect(said.ready).toBe(true);
  return said.url;
}

const isRefused = (url: string): Promise<boolean> =>
  fetch(`${url}/healthz`).then(
    () => false,
    () => true,
  );

describe('the sandbox process', () => {
  it('prints one ready line with an address that answers', async () => {
    const url = await readyUrl(start());
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('ends on %s with code 0, while a request hangs', async (signal) => {
    const child = start();
    const url = await readyUrl(child);
    await createSandboxControl(url).addFault({
      match: { route: 'toolkits.get' },
      action: { type: 'hang' },
    });
    const headers = { 'x-api-key': 'sandbox-composio-key' };
    const hanging = fetch(`${url}/api/v3.1/toolkits/slack`, { headers }).catch(() => 'cut');
    await new Promise((resolve) => setTimeout(resolve, 50));
    const started = performance.now();
    child.kill(signal);
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(0);
    expect(performance.now() - started).toBeLessThan(30_000);
    expect(await hanging).toBe('cut');
    expect(await isRefused(url)).toBe(true);
  });

  it('ends when its parent closes the IPC channel', async () => {
    const child = start({}, true);
    const url = await readyUrl(child);
    child.disconnect();
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(0);
    expect(await isRefused(url)).toBe(true);
  });

  it('keeps answered effects when it is killed without warning', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'composio-sandbox-'));
    const child = start({ COMPOSIO_SANDBOX_DATA: dataDir });
    const url = await readyUrl(child);
    const { id } = await createSandboxControl(url).seedAccount({ userId: 'alice', app: 'slack' });
    const answer = await fetch(`${url}/api/v3.1/tools/execute/SLACK_SEND_MESSAGE`, {
      method: 'POST',
      headers: { 'x-api-key': 'sandbox-composio-key' },
      body: JSON.stringify({
        user_id: 'alice',
        connected_account_id: id,
        arguments: { channel: 'c', text: 't' },
      }),
    });
    const { log_id: logId } = (await answer.json()) as { log_id: string };
    child.kill('SIGKILL');
    await once(child, 'exit');
    const again = await openHarness({ dataDir });
    expect((await again.control.journal()).map((effect) => effect.logId)).toEqual([logId]);
    await again.sandbox.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('says in one line that its port is taken, and exits 1', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const child = start({ COMPOSIO_SANDBOX_PORT: String((blocker.address() as AddressInfo).port) });
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const [code] = (await once(child, 'close')) as [number];
    blocker.close();
    expect(code).toBe(1);
    expect(said.trim().split('\n')).toHaveLength(1);
    expect(said).toContain('EADDRINUSE');
  });
});

// A process of its own: the SDK must not be imported into a test's process with its telemetry on.
const UNBRIDGED = `
const { Composio, OpenAIToolSet } = require('composio-core');
Composio.prototype.checkForLatestVersionFromNPM = async () => {};
const toolset = new OpenAIToolSet({ apiKey: 'sandbox-composio-key', baseUrl: process.env.SANDBOX_URL, entityId: 'alice' });
const calls = [
  () => toolset.getTools({ actions: ['SLACK_SEND_MESSAGE'] }, 'alice'),
  () => toolset.client.connectedAccounts.list({ entityId: 'alice' }),
  () => toolset.executeAction({ action: 'SLACK_SEND_MESSAGE', params: { channel: 'c' }, entityId: 'alice' }),
];
(async () => {
  let failed = 0;
  for (const call of calls) await call().catch(() => { failed += 1; });
  console.log(JSON.stringify({ failed }));
  process.exit(0);
})();
`;

describe('composio-core without the bridge', () => {
  it('cannot make one call: each is answered 410 and nothing happens', async () => {
    const { sandbox, control } = await openHarness();
    await control.seedAccount({ userId: 'alice', app: 'slack' });
    const child = spawn(process.execPath, ['--input-type=commonjs', '-e', UNBRIDGED], {
      cwd: join(import.meta.dirname, '../..'),
      env: {
        PATH: process.env['PATH'],
        HOME: tmpdir(),
        SANDBOX_URL: sandbox.url,
        TELEMETRY_DISABLED: 'true',
        COMPOSIO_LOGGING_LEVEL: 'silent',
      },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    children.push(child);
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await once(child, 'close');
    expect(JSON.parse(said)).toEqual({ failed: 3 });
    const seen = await control.requests();
    expect(seen.length).toBeGreaterThanOrEqual(3);
    expect(seen.every((entry) => entry.status === 410 && /^\/api\/v[12]\//.test(entry.path))).toBe(true);
    expect(await control.journal()).toEqual([]);
    await sandbox.close();
  });
});
