/** Many notices at once and a receiver that hangs: a few requests at a time, and runs go on as if nothing were. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createNotices } from '../setup/notices.ts';
import { type Receiver, startReceiver } from '../setup/receiver.ts';
import { until } from '../setup/until.ts';

/** Of one worker (worker/create-worker.ts). */
const AT_ONCE = 20;
const NOTICES = 100;

let bellhop: TestBellhop;
let receiver: Receiver;
// Each attempt has a stage of its own.
beforeEach(async () => {
  receiver = await startReceiver();
  const webhook = { url: receiver.url, secret: 'a secret of the integrator' };
  // Fewer places for activities than notices: if they shared them, no run would get one.
  bellhop = await startTestBellhop({ maxActivities: 10, settings: { webhook } });
});
afterEach(async () => {
  await bellhop.close();
  await receiver.close();
});

test('a receiver that answers nobody has twenty requests at a time, and a run is not held up; it gets all of them in the end', async () => {
  const notices = createNotices(bellhop);
  const userId = `user-${randomUUID()}`;
  const runner = `user-${randomUUID()}`;
  for (const id of [userId, runner]) await bellhop.putUser(id);
  await bellhop.sandbox.seedAccount({ userId: runner, app: 'slack' });
  const { promise: released, resolve: release } = Promise.withResolvers<undefined>();
  receiver.always({ status: 200, after: released });
  const ids: string[] = [];
  for (let i = 0; i < NOTICES; i += 1) ids.push(await notices.notify(userId));
  await until('the first ones', async () => receiver.of(userId).length >= AT_ONCE, 60_000);
  const run = { userId: runner, task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'] };
  expect((await bellhop.ended(await bellhop.start(run), 60_000)).status).toBe('completed');
  release(undefined);
  expect(await Promise.all(ids.map((id) => notices.resultOf(id)))).toEqual(
    ids.map(() => ({ status: 'delivered' })),
  );
  expect(new Set(receiver.of(userId).map(({ headers }) => headers['webhook-id'])).size).toBe(NOTICES);
  expect(receiver.mostAtOnce()).toBe(AT_ONCE);
}, 180_000);
