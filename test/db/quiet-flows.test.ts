/** When a flow that was just opened is quiet: whoever opened it has seen all there is, so that its workflow need not look. */
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { completeFlow, openFlow } from '../../db/flows.ts';
import { until } from '../setup/until.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();

describe('a flow', () => {
  test('is quiet, new or joined, unless one of its user and app was completed lately', async () => {
    const userId = await the().newUser();
    const open = (app: string) =>
      the().user(userId, (tx) =>
        openFlow(tx, { userId, app, appName: app, reconnect: false, returnUrl: null, timeoutMs: 60_000 }),
      );
    const [first, joined] = [await open('slack'), await open('slack')];
    expect([first.isQuiet, joined.isQuiet, joined.isNew]).toEqual([true, true, false]);
    expect(await the().user(userId, (tx) => completeFlow(tx, first.flow, 'ca_lately'))).toBe(true);
    const [next, other] = [await open('slack'), await open('gmail')];
    expect([next.isNew, next.isQuiet, other.isQuiet]).toEqual([true, false, true]);
    await the().system((tx) =>
      tx
        .updateTable('connection_flows')
        .set({ ended_at: sql<Date>`now() - interval '6 minutes'` })
        .where('id', '=', first.flow.id)
        .execute(),
    );
    expect((await open('slack')).isQuiet).toBe(true);
  });

  test('is not quiet when the one before it is completed while it is being opened', async () => {
    const userId = await the().newUser();
    const open = () =>
      the().user(userId, (tx) =>
        openFlow(tx, {
          userId,
          app: 'slack',
          appName: 'Slack',
          reconnect: false,
          returnUrl: null,
          timeoutMs: 60_000,
        }),
      );
    const first = await open();
    const [completed, committed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const completing = the().user(userId, async (tx) => {
      await completeFlow(tx, first.flow, 'ca_just_now');
      completed.resolve();
      await committed.promise;
    });
    await completed.promise;
    const opening = open();
    await until('the second waits for the first', async () => {
      const waiting = sql`select from pg_locks where locktype = 'transactionid' and not granted`;
      return (await the().system((tx) => waiting.execute(tx))).rows.length > 0;
    });
    committed.resolve();
    await completing;
    const second = await opening;
    expect(second.flow.id).not.toBe(first.flow.id);
    expect([second.isNew, second.isQuiet]).toEqual([true, false]);
  });
});
