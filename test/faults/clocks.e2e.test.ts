/**
 * Processes whose clock is a quarter of an hour wrong (libfaketime; Debian: `apt-get install libfaketime`). Deadlines are the
 * database's and Temporal's, so nothing ends early or late, and what is signed carries the right time.
 */
import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterEach, describe, expect, test } from 'vitest';
import { getFlowByToken } from '../../db/flows.ts';
import { asSystem } from '../../db/scope.ts';
import { Browser } from '../../sandbox/demo/browser.ts';
import { startSettled, untilEnded } from '../api/setup/settled-run.ts';
import { startApiProcess } from '../setup/api-process.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { type Receiver, startReceiver } from '../setup/receiver.ts';
import { createTestNamespace } from '../setup/temporal.ts';
import { until } from '../setup/until.ts';
import { startWorkerProcess } from '../setup/worker-process.ts';

const library = findLibrary();
const missing = library === null ? ' (skipped: this machine has no libfaketime)' : '';
const SECRET = `whsec_${Buffer.from('a secret of the integrator').toString('base64')}`;
const TOOL = 'SLACK_SEND_MESSAGE';
/** Longer than an attempt lives, and than a receiver lets a signature be old. */
const WRONG = 15 * 60;

function findLibrary(): string | null {
  for (const folder of ['/usr/lib', '/usr/local/lib']) {
    const entries = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    for (const { name } of [{ name: '.' }, ...entries]) {
      const path = join(folder, name, 'faketime');
      try {
        if (readdirSync(path).includes('libfaketime.so.1')) return join(path, 'libfaketime.so.1');
      } catch {
        // Not there.
      }
    }
  }
  return null;
}

const open: { kill: () => Promise<void> }[] = [];
let bellhop: TestBellhop | null = null;
let receiver: Receiver | null = null;
afterEach(async () => {
  for (const process of open.splice(0)) await process.kill();
  await bellhop?.close();
  await receiver?.close();
  bellhop = receiver = null;
});

describe.skipIf(library === null)(`API and worker with a clock that is${missing}`, () => {
  test.each([
    ['ahead', '+'],
    ['behind', '-'],
  ])(
    '%s: a connection is made, a run goes on, notices are signed in time, and a flow ends when its time is up',
    { timeout: 300_000 },
    async (_name, sign) => {
      const skewed = {
        LD_PRELOAD: library ?? '',
        FAKETIME: `${sign}${WRONG}s`,
        // What measures durations goes on evenly on such a machine too.
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      };
      const namespace = await createTestNamespace();
      const parts = (bellhop = await startTestBellhop({ noWorker: true, namespace }));
      const to = (receiver = await startReceiver());
      const notices = { BELLHOP_WEBHOOK_URL: to.url, BELLHOP_WEBHOOK_SECRET: SECRET };
      const [api, worker] = await Promise.all([
        startApiProcess(parts, { namespace, env: { ...skewed, ...notices } }),
        startWorkerProcess(parts, { namespace, env: { ...skewed, ...notices } }),
      ]);
      open.push(api, worker);
      await worker.polls;
      expect(Math.abs((await clockOf(api.url)) - Date.now() / 1_000)).toBeGreaterThan(WRONG - 60);

      const userId = `user-${randomUUID()}`;
      await api.call('PUT', `/v1/users/${userId}`, { body: {} });
      const task = scripted([
        { toolCalls: [{ name: TOOL, arguments: { channel: 'general', markdown_text: 'once' } }] },
        { content: 'The end.' },
      ]);
      // Less than the clock is wrong: by that clock the link is dead before it is made.
      const waiting = await startSettled(api, { userId, task, tools: [TOOL], connectTimeout: '10m' });
      expect(waiting.status).toBe('waiting_for_connection');
      const browser = new Browser();
      const consent = await browser.click(await browser.open(waiting.waitingFor[0].connectUrl), /\/go$/);
      expect((await browser.submit(consent, { decision: 'approve' })).status).toBe(200);
      expect((await untilEnded(api, waiting.id)).status).toBe('completed');
      expect(await parts.sandbox.journal({ userId })).toHaveLength(1);

      const [notice] = await until('the end is told', async () => {
        const told = to.of(userId, 'run.completed');
        return told.length > 0 ? told : null;
      });
      // Refuses what is five minutes old, or to come.
      new Webhook(SECRET).verify(notice?.text ?? '', notice?.headers ?? {});

      const brief = await startSettled(api, {
        userId: await newUser(api.call),
        task,
        tools: [TOOL],
        connectTimeout: '10s',
      });
      expect((await untilEnded(api, brief.id)).error.code).toBe('connection_timeout');
      const token = new URL(brief.waitingFor[0].connectUrl).pathname.split('/').at(-1) ?? '';
      await until('the flow has ended', async () => {
        const flow = await asSystem(parts.db, (tx) => getFlowByToken(tx, token));
        return flow?.status === 'expired';
      });
    },
  );
});

async function newUser(call: (method: string, path: string, options: object) => Promise<unknown>) {
  const userId = `user-${randomUUID()}`;
  await call('PUT', `/v1/users/${userId}`, { body: {} });
  return userId;
}

/** What a process takes for now, in seconds since 1970. */
async function clockOf(url: string): Promise<number> {
  const { headers } = await fetch(`${url}/healthz`);
  return Date.parse(headers.get('date') ?? '') / 1_000;
}
