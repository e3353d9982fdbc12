/** What makes the examples of the document true: its users, with accounts, an open flow, a run that waits and one that has ended. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createSandboxControl } from '../../sandbox/composio/control.ts';

// They load in seconds; on a machine that does ten other things, in minutes.
const READY_DEADLINE_MS = 300_000;

export async function prepareUsers({
  url,
  key,
  composioUrl,
}: {
  url: string;
  key: string;
  composioUrl: string;
}) {
  await untilReady(url);
  const call = async (method: string, path: string, body: unknown): Promise<void> => {
    const answer = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  };
  const sandbox = createSandboxControl(composioUrl);
  for (const userId of ['alice', 'bob']) await call('PUT', `/v1/users/${userId}`, {});
  await sandbox.seedAccount({ userId: 'bob', app: 'slack' });
  await call('POST', '/v1/users/alice/connections', { app: 'slack' });
  const run = { task: 'Post "hello" to #general on Slack.', tools: ['SLACK_SEND_MESSAGE'] };
  await call('POST', '/v1/runs', { ...run, userId: 'alice' });
  await call('POST', '/v1/runs', { ...run, userId: 'bob' });
  // The newest one, which a list shows first: its call waits for an approval.
  await call('POST', '/v1/runs', { ...run, userId: 'bob', approvals: { require: 'writes' } });
}

type Child = { readonly name: string; hasExited(): boolean; tail(): readonly string[] };

/** @throws Error with the last words of a child that died meanwhile. */
export async function untilReady(url: string, children: readonly Child[] = []): Promise<void> {
  const deadline = Date.now() + READY_DEADLINE_MS;
  for (;;) {
    const ready = await fetch(`${url}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ready) return;
    const dead = children.find((child) => child.hasExited());
    if (dead) throw new Error(`${dead.name} died:\n${dead.tail().join('\n')}`);
    if (Date.now() > deadline) throw new Error(`${url} does not become ready`);
    await sleep(200);
  }
}
