/** A worker process that dies after its request has reached the receiver and before anything is recorded: the same id again. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Webhook } from 'standardwebhooks';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createNotices } from '../setup/notices.ts';
import { type Receiver, startReceiver } from '../setup/receiver.ts';
import { createTestNamespace } from '../setup/temporal.ts';
import { until } from '../setup/until.ts';
import { startTakeover, startWorkerProcess, type WorkerProcess } from '../setup/worker-process.ts';

const SECRET = 'whsec_c2VjcmV0';
let bellhop: TestBellhop;
let receiver: Receiver;
let namespace: string;
let first: WorkerProcess | undefined;
// Each attempt has a stage of its own.
beforeEach(async () => {
  // Its own namespace: worker/main.ts makes Schedules with fixed ids.
  namespace = await createTestNamespace();
  receiver = await startReceiver();
  bellhop = await startTestBellhop({
    noWorker: true,
    namespace,
    settings: { webhook: { url: receiver.url, secret: SECRET } },
  });
});
afterEach(async () => {
  await first?.kill();
  await bellhop?.close();
  await receiver?.close();
});

test('every notice comes under its one id, the interrupted ones twice, and none a third time', async () => {
  const notices = createNotices(bellhop);
  const env = { BELLHOP_WEBHOOK_URL: receiver.url, BELLHOP_WEBHOOK_SECRET: SECRET };
  first = await startWorkerProcess(bellhop, { namespace, env });
  await first.polls;
  const users = Array.from({ length: 8 }, () => `user-${randomUUID()}`);
  for (const userId of users) await bellhop.putUser(userId);
  // Longer than the process lives: it never hears an answer.
  receiver.always({ status: 200, delayMs: 60_000 });
  const ids = new Map<string, string>();
  for (const userId of users) ids.set(userId, await notices.notify(userId));
  await until('all requests', async () => users.every((userId) => receiver.of(userId).length === 1), 60_000);
  await first.kill();
  receiver.always({ status: 200 });
  const second = await startTakeover(bellhop, { namespace });
  for (const [userId, id] of ids) {
    expect(await notices.resultOf(id)).toEqual({ status: 'delivered' });
    const seen = receiver.of(userId);
    expect(seen.map(({ headers }) => headers['webhook-id'])).toEqual([id, id]);
    expect(seen[1]?.text).toBe(seen[0]?.text);
    expect(() => new Webhook(SECRET).verify(seen[1]?.text ?? '', seen[1]?.headers ?? {})).not.toThrow();
    expect(await notices.deliveryOf(userId, id)).toMatchObject({ status: 'delivered', attempts: 1 });
  }
  await second.close();
}, 180_000);
