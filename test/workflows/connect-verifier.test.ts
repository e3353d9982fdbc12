/** Verifier mode: only the integrator's server can say who consented, so what polling finds is refused. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { forUser } from '../../db/scope.ts';
import { moveAttempt } from '../../db/attempts.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createConnect } from '../setup/connect.ts';
import { until } from '../setup/until.ts';

let bellhop: TestBellhop;
beforeAll(async () => {
  bellhop = await startTestBellhop({ settings: { verifierMode: true } });
});
afterAll(() => bellhop.close());

test('a consent found only by polling is refused, its account deleted, and nothing resumes', async () => {
  const connect = createConnect(bellhop);
  const alice = `alice-${randomUUID()}`;
  await bellhop.putUser(alice);
  const runId = await bellhop.start({
    userId: alice,
    task: 'Tell #general hello',
    tools: ['SLACK_SEND_MESSAGE'],
  });
  await bellhop.until(runId, (run) => run.status === 'waiting_for_connection');
  const flow = await connect.open(alice);
  const click = await connect.click(flow);
  await bellhop.sandbox.consent(click.redirectUrl, 'approve');
  expect(await connect.untilAttempt(click, 'failed')).toMatchObject({
    reason: 'callback_lost',
    acceptedBy: null,
  });
  await until('the account to be deleted', async () => (await connect.accounts(alice)).length === 0);
  expect((await connect.flowOf(flow)).status).toBe('open');
  expect((await bellhop.run(runId)).status).toBe('waiting_for_connection');
  expect(await bellhop.sandbox.journal({ userId: alice })).toEqual([]);
  await bellhop.client.workflow.getHandle(`run-${runId}`).cancel();
});

test('a consent that waits for its confirmation is left alone by polling', async () => {
  const connect = createConnect(bellhop);
  const bob = `bob-${randomUUID()}`;
  await bellhop.putUser(bob);
  const flow = await connect.open(bob);
  const click = await connect.click(flow);
  await forUser(bellhop.db, bob, (tx) =>
    moveAttempt(tx, click.attempt.id, { from: ['open'], to: 'awaiting_confirm' }),
  );
  await bellhop.sandbox.consent(click.redirectUrl, 'approve');
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  expect((await connect.attemptOf(click)).status).toBe('awaiting_confirm');
  expect((await connect.flowOf(flow)).status).toBe('open');
  expect(await connect.accounts(bob)).toEqual([click.accountId]);
});
