/** A fresh ACTIVE may be refused for a moment: a grace before its user is asked again, and no longer than that. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nextLookMs } from '../../activities/refused-account.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createMidRun, type MidRun, PATIENCE_MS, say, SEND } from '../setup/mid-run.ts';
import { until } from '../setup/until.ts';

let bellhop: TestBellhop;
let mid: MidRun;
beforeAll(async () => {
  // A minute in the world. Long against a slow machine: what is to be seen is one retry within it.
  bellhop = await startTestBellhop({ settings: { freshAccountGraceMs: 6_000 } });
  mid = createMidRun(bellhop);
});
afterAll(() => bellhop.close());

describe('a fresh account that is refused for a moment after the consent', () => {
  /** Its run has met the first refusal after the consent. */
  const afterConsent = async (
    freshFailure: 'not_connected' | 'expired' | 'revoked',
  ): Promise<{ userId: string; runId: string }> => {
    const userId = await mid.newUser();
    const task = scripted([{ toolCalls: [say(userId)] }, { content: 'ok' }]);
    const runId = await bellhop.start({ userId, task, tools: [SEND] });
    await mid.parked(runId);
    await bellhop.sandbox.updateSettings({ freshFailure, freshFailureMs: 600_000 });
    await mid.consent(userId);
    await until('a refusal', async () => (await mid.executions(userId)) > 0, PATIENCE_MS);
    return { userId, runId };
  };
  const mend = () => bellhop.sandbox.updateSettings({ freshFailureMs: 0 });

  test.each(['not_connected', 'expired', 'revoked'] as const)(
    'as %s is tried again by itself, and its user is NOT asked a second time',
    async (failure) => {
      const { userId, runId } = await afterConsent(failure);
      await mend();
      expect((await mid.ended(runId)).status).toBe('completed');
      expect(await mid.textsOf(userId)).toEqual([userId]);
      expect(await mid.executions(userId)).toBeGreaterThan(1);
      expect(await mid.countEvents(runId, 'connection.required')).toBe(1);
    },
  );

  test('for longer than the grace is asked for anew, once, and the call runs with the next account', async () => {
    const { userId, runId } = await afterConsent('revoked');
    await until(
      'a second question',
      async () => (await mid.countEvents(runId, 'connection.required')) === 2,
      PATIENCE_MS,
    );
    expect((await mid.callsOf(runId)).map((call) => call.status)).toEqual(['waiting']);
    await mend();
    // Refused as long as the grace lasted, slower and slower.
    const tries = await mid.executions(userId);
    expect(tries).toBeGreaterThan(2);
    expect(tries).toBeLessThan(12);
    await mid.consent(userId);
    expect((await mid.ended(runId)).status).toBe('completed');
    expect(await mid.textsOf(userId)).toEqual([userId]);
  });

  test('but has worked since is asked for at once: the grace is for what never worked', async () => {
    const userId = await mid.newUser();
    const turns = ['one', 'two'].map((text) => ({ toolCalls: [say(text)] }));
    const runId = await bellhop.start({
      userId,
      task: scripted([...turns, { content: 'ok' }]),
      tools: [SEND],
    });
    await mid.parked(runId);
    let accountId = '';
    const meet = await mid.breakAt({ userId, route: 'tools.execute', skip: 1 }, () =>
      bellhop.sandbox.revokeAtProvider(accountId),
    );
    accountId = await mid.consent(userId);
    await meet();
    await until(
      'the second question',
      async () => (await mid.countEvents(runId, 'connection.required')) === 2,
      PATIENCE_MS,
    );
    expect(await mid.executions(userId)).toBe(2);
    await mid.consent(userId);
    expect((await mid.ended(runId)).status).toBe('completed');
    expect(await mid.textsOf(userId)).toEqual(['one', 'two']);
  });
});

test('of a grace of a minute the looks come after 2 s, then as long again as the account is old, at most 20 s apart', () => {
  const looks: number[] = [];
  for (let ageMs = 1_000; ageMs < 60_000;) {
    const waitMs = nextLookMs({ ageMs, leftMs: 60_000 - ageMs }, 60_000);
    looks.push(waitMs / 1_000);
    ageMs += waitMs;
  }
  expect(looks).toEqual([2, 3, 6, 12, 20, 16]);
});
