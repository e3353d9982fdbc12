import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach, expect, test } from 'vitest';
import { createModelSandbox } from '../../sandbox/model/server.ts';

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0))
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
});

function start(env: Record<string, string> = {}, withIpc = false): ChildProcess {
  const child = spawn(process.execPath, ['sandbox/model/main.ts'], {
    stdio: ['ignore', 'pipe', 'pipe', ...(withIpc ? (['ipc'] as const) : [])],
    env: { ...process.env, MODEL_SANDBOX_PORT: '', ...env },
  });
  started.push(child);
  return child;
}
async function readyUrl(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error('no stdout');
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const ready = JSON.parse(line) as { ready: boolean; url: string };
  expect(ready.ready).toBe(true);
  return ready.url;
}
const exitOf = async (child: ChildProcess) => (await once(child, 'exit'))[0] as number | null;

test.each(['SIGTERM', 'SIGINT'] as const)(
  'prints where it listens, and ends with 0 on %s, a hanging request or not',
  async (signal) => {
    const child = start();
    const url = await readyUrl(child);
    await fetch(`${url}/_sandbox/faults`, {
      method: 'POST',
      body: JSON.stringify({ fault: { kind: 'hang' } }),
    });
    const hanging = fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer k' },
      body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Hello' }] }),
    }).catch(() => 'cut');
    const exit = exitOf(child);
    const since = performance.now();
    child.kill(signal);
    expect(await exit).toBe(0);
    // It does not wait for the request, which never ends.
    expect(performance.now() - since).toBeLessThan(30_000);
    expect(await hanging).toBe('cut');
  },
);

test('ends when the process that started it is gone', async () => {
  const child = start({}, true);
  await readyUrl(child);
  const exit = exitOf(child);
  child.disconnect();
  expect(await exit).toBe(0);
});

test('says in one line, without a stack, that its port is taken or is no port', async () => {
  const taken = await createModelSandbox();
  for (const port of [String(taken.port), 'x', '99999']) {
    const child = start({ MODEL_SANDBOX_PORT: port });
    let errors = '';
    child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    expect(await exitOf(child)).toBe(1);
    expect(errors.trim().split('\n')).toHaveLength(1);
    expect(errors).toMatch(/^model sandbox: /);
  }
  await taken.close();
});
