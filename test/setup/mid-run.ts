/** A run whose connection breaks while it works: scripted calls, a break at a chosen request, the user's reconnect. */
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { listEvents } from '../../db/events.ts';
import { asSystem } from '../../db/scope.ts';
import { listToolCalls } from '../../db/transcript.ts';
import { listWaiting } from '../../db/waiters.ts';
import type { TestBellhop } from './bellhop.ts';
import { createConnect } from './connect.ts';

export const SEND = 'SLACK_SEND_MESSAGE';
/** An event may be late on a loaded machine; it must not be missed. */
export const PATIENCE_MS = 60_000;

/** One call of the scripted model. */
export const say = (text: string) => ({
  name: SEND,
  arguments: { channel: 'general', markdown_text: text },
});

export function createMidRun(bellhop: TestBellhop) {
  const connect = createConnect(bellhop);
  return {
    connect,
    newUser: async (): Promise<string> => {
      const userId = `user-${randomUUID()}`;
      await bellhop.putUser(userId);
      return userId;
    },
    parked: (runId: string) =>
      bellhop.until(runId, (run) => run.status === 'waiting_for_connection', PATIENCE_MS),
    ended: (runId: string) => bellhop.ended(runId, PATIENCE_MS),
    callsOf: (runId: string) => asSystem(bellhop.db, (tx) => listToolCalls(tx, runId)),
    waitingOf: (runId: string) => asSystem(bellhop.db, (tx) => listWaiting(tx, runId)),
    countEvents: async (runId: string, type: string): Promise<number> => {
      const events = await asSystem(bellhop.db, (tx) => listEvents(tx, runId, { after: 0, limit: 1_000 }));
      return events.filter((event) => event.type === type).length;
    },
    /** What was really said, in order. */
    textsOf: async (userId: string): Promise<string[]> =>
      (await bellhop.sandbox.journal({ userId })).map(
        ({ arguments: args }) => (args['markdown_text'] ?? args['subject']) as string,
      ),
    executions: (userId: string) => bellhop.sandbox.countRequests({ route: 'tools.execute', userId }),
    /** The user opens the link of the open flow and consents; the browser comes back. @returns the new account's id. */
    consent: async (userId: string, app = 'slack', accountName?: string): Promise<string> => {
      const flow = await connect.open(userId, { app });
      const click = await connect.click(flow);
      await bellhop.sandbox.consent(click.redirectUrl, 'approve', accountName);
      await connect.complete(flow, click);
      expect((await connect.flowOf(flow)).accountId).toBe(click.accountId);
      return click.accountId;
    },
    /** Holds one request of this user, breaks the world meanwhile, lets the request go on. Await what it gives once the run goes. */
    breakAt: async (
      at: { userId: string; route: 'tools.execute' | 'accounts.list'; skip: number },
      change: () => Promise<unknown>,
    ): Promise<() => Promise<void>> => {
      const barrier = randomUUID();
      const match = { userId: at.userId, route: at.route };
      await bellhop.sandbox.addFault({ match, skip: at.skip, times: 1, action: { type: 'hold', barrier } });
      return async () => {
        await bellhop.sandbox.waitForBarrier(barrier, 1, PATIENCE_MS);
        await change();
        await bellhop.sandbox.releaseBarrier(barrier);
      };
    },
  };
}
export type MidRun = ReturnType<typeof createMidRun>;
