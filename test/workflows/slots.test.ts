/** Few activity slots and many waiting runs: nobody holds a slot while somebody else's work needs it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createConnect } from '../setup/connect.ts';

let bellhop: TestBellhop;
beforeAll(async () => {
  bellhop = await startTestBellhop({ maxActivities: 4 });
});
afterAll(() => bellhop.close());

test('12 runs of 12 users wait on a worker of 4 slots, all are connected, and all end', async () => {
  const connect = createConnect(bellhop);
  const users = Array.from({ length: 12 }, (_, i) => `user-${i}-${randomUUID()}`);
  await Promise.all(users.map((userId) => bellhop.putUser(userId)));
  const runs = await Promise.all(
    users.map((userId) =>
      bellhop.start({ userId, task: `Tell #general that ${userId} is here`, tools: ['SLACK_SEND_MESSAGE'] }),
    ),
  );
  for (const id of runs) await bellhop.until(id, (run) => run.status === 'waiting_for_connection');
  await Promise.all(
    users.map(async (userId) => {
      const flow = await connect.open(userId);
      const click = await connect.click(flow);
      await bellhop.sandbox.consent(click.redirectUrl, 'approve');
    }),
  );
  for (const id of runs) expect((await bellhop.ended(id)).status).toBe('completed');
  for (const userId of users) {
    const effects = await bellhop.sandbox.journal({ userId });
    expect([userId, effects.map((effect) => effect.accountOwner)]).toEqual([userId, [userId]]);
  }
});
