/** The same attacks with a verifier: only the integrator's server can say who consented, and what it cannot say is undone. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Principal } from '../../api/auth.ts';
import { type Answer, type AnyBody, startTestApi, type TestApi } from '../api/setup/api.ts';
import { startSettled } from '../api/setup/settled-run.ts';
import { type Browser, createBrowser } from '../api/setup/browser.ts';
import { type AttackStage, type Click, createStage, PATIENCE } from './stage.ts';

const NEVER_MS = 600_000;
const VERIFIER = 'https://app.example/verify';

let api: TestApi;
let stage: AttackStage;
let scopes: Principal['scopes'] = ['admin'];
beforeAll(async () => {
  api = await startTestApi({
    settings: { verifierMode: true, pollIntervalMs: NEVER_MS, callbackGraceMs: NEVER_MS },
    connect: { verifierUrl: VERIFIER },
    deps: { authenticate: async () => ({ keyId: 'test', scopes }) },
  });
  stage = createStage(api);
});
afterAll(() => api.close());

/** As a caller does: what is unavailable for a moment is asked for again. */
const confirm = async (flowId: string, userId: string, code: string): Promise<Answer<AnyBody>> => {
  const answer = await api.call('POST', `/v1/connections/${flowId}/confirm`, { body: { userId, code } });
  return answer.status === 503 ? confirm(flowId, userId, code) : answer;
};
/** What the verifier's page gets. */
function codeOf(location: string | null): string {
  const url = new URL(location ?? 'x:');
  expect(`${url.origin}${url.pathname}`).toBe(VERIFIER);
  expect([...url.searchParams.keys()]).toEqual(['flow', 'code']);
  return url.searchParams.get('code') ?? '';
}
/** Somebody clicked, consented and came back, up to the verifier's page. */
async function comeBack(
  click?: Click,
): Promise<Click & { readonly code: string; readonly callback: string }> {
  const clicked = click ?? (await stage.click(await stage.target()));
  const callback = await stage.consent(clicked);
  const page = await stage.visit(clicked.browser, callback);
  expect(page.status).toBe(302);
  return { ...clicked, callback, code: codeOf(page.location) };
}
const expectConfirmed = async ({ target, accountId, code }: Click & { code: string }): Promise<void> => {
  expect((await confirm(target.flowId, target.userId, code)).status).toBe(200);
  expect((await api.bellhop.ended(target.runId)).status).toBe('completed');
  expect(await api.bellhop.sandbox.journal({ userId: target.userId })).toMatchObject([{ accountId }]);
};

describe('a forwarded link', () => {
  test('of ours: the victim consents in their own browser, the server says who that is: user_mismatch, and it is undone', async () => {
    const target = await stage.target();
    const victim = await comeBack(await stage.click(target, createBrowser()));
    await stage.expectHarmless(target, [[victim, 'awaiting_confirm', null]]);
    const answer = await confirm(target.flowId, 'the-victim', victim.code);
    expect([answer.status, answer.body.code]).toEqual([409, 'user_mismatch']);
    await stage.expectHarmless(target, [[victim, 'failed', 'user_mismatch']]);
    await expect.poll(() => stage.accountsOf(target), PATIENCE).toEqual([]);
    // The code is used up, for the right user too; the link is not.
    expect((await confirm(target.flowId, target.userId, victim.code)).body.code).toBe('code_invalid');
    await expectConfirmed(await comeBack(await stage.click(target)));
  });

  test('to the provider: the victim’s browser gets no code, and the grant is deleted', async () => {
    const target = await stage.target();
    const attacker = await stage.click(target);
    const callback = await stage.consent(attacker);
    const page = await stage.visit(createBrowser(), callback);
    expect([page.status, page.location]).toEqual([400, null]);
    await stage.expectHarmless(target, [[attacker, 'failed', 'other_browser']]);
    await expect.poll(() => stage.accountsOf(target), PATIENCE).toEqual([]);
    const again = await stage.visit(attacker.browser, callback);
    expect([again.status, again.location]).toEqual([400, null]);
  });
});

describe('a code', () => {
  test('that is wrong, empty, of another flow or of no flow is 409 or 404 and changes nothing', async () => {
    const [mine, theirs] = [await comeBack(), await comeBack()];
    const { flowId, userId } = mine.target;
    for (const code of [
      '',
      'wrong',
      `${mine.code}x`,
      mine.code.slice(1),
      mine.code.toLowerCase(),
      theirs.code,
    ]) {
      const answer = await confirm(flowId, userId, code);
      expect([answer.status, answer.body.code]).toEqual([409, 'code_invalid']);
    }
    expect((await confirm('unknown', userId, mine.code)).status).toBe(404);
    // A wrong code from somebody else must not end an attempt either: anyone could send it.
    expect((await confirm(flowId, 'somebody-else', 'wrong')).body.code).toBe('code_invalid');
    await stage.expectHarmless(mine.target, [[mine, 'awaiting_confirm', null]]);
    await stage.expectHarmless(theirs.target, [[theirs, 'awaiting_confirm', null]]);
    await expectConfirmed(mine);
  });

  test('works once: ten confirmations at once are one 200 and nine 409, one signal and one effect', async () => {
    const mine = await comeBack();
    const { flowId, userId, runId } = mine.target;
    const answers = await Promise.all(Array.from({ length: 10 }, () => confirm(flowId, userId, mine.code)));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      200,
      ...Array<number>(9).fill(409),
    ]);
    expect((await api.bellhop.ended(runId)).status).toBe('completed');
    expect((await confirm(flowId, userId, mine.code)).status).toBe(409);
    expect(await api.bellhop.sandbox.journal({ userId })).toHaveLength(1);
    expect((await stage.attemptOf(mine.attemptId)).acceptedBy).toBe('confirm');
  });

  test.each(['', ' ', 'SAME'])(
    'for the user id "%s" instead of the flow’s user is a mismatch',
    async (name) => {
      const mine = await comeBack();
      const userId =
        name === 'SAME' ? mine.target.userId.toUpperCase() : `${mine.target.userId}${name || 'x'}`;
      expect((await confirm(mine.target.flowId, userId, mine.code)).body.code).toBe('user_mismatch');
      await stage.expectHarmless(mine.target, [[mine, 'failed', 'user_mismatch']]);
      await expect.poll(() => stage.accountsOf(mine.target), PATIENCE).toEqual([]);
    },
  );

  test('confirmed for the right and for another user at once: one of the two holds, never both', async () => {
    for (let round = 0; round < 5; round += 1) {
      const mine = await comeBack();
      const { flowId, userId } = mine.target;
      const [right, wrong] = await Promise.all([
        confirm(flowId, userId, mine.code),
        confirm(flowId, 'somebody-else', mine.code),
      ]);
      expect([right.status, wrong.status].toSorted((a, b) => a - b)).toEqual(
        right.status === 200 ? [200, 409] : [409, 409],
      );
      const { status } = await stage.attemptOf(mine.attemptId);
      expect(status).toBe(right.status === 200 ? 'accepted' : 'failed');
      expect(await stage.accountsOf(mine.target)).toEqual(right.status === 200 ? [mine.accountId] : []);
      expect((await stage.flowOf(mine.target)).status).toBe(right.status === 200 ? 'completed' : 'open');
    }
  });

  test('is given anew to the same browser that reloads, and the older one is dead', async () => {
    const mine = await comeBack();
    const own = `${api.url}/oauth/callback/${mine.attemptId}`;
    const code = codeOf((await stage.visit(mine.browser, own)).location);
    expect(code).not.toBe(mine.code);
    const old = await confirm(mine.target.flowId, mine.target.userId, mine.code);
    expect([old.status, old.body.code]).toEqual([409, 'code_invalid']);
    // Without the cookie there is none, and the used state gives none either.
    for (const [browser, address] of [
      [createBrowser(), own],
      [createBrowser(), mine.callback],
      [mine.browser, mine.callback],
    ] as readonly [Browser, string][]) {
      const page = await stage.visit(browser, address);
      expect([page.status, page.location]).toEqual([400, null]);
    }
    await expectConfirmed({ ...mine, code });
  });

  test('of an account that has stopped working meanwhile is refused', async () => {
    const mine = await comeBack();
    await api.bellhop.sandbox.setStatus(mine.accountId, 'REVOKED');
    const answer = await confirm(mine.target.flowId, mine.target.userId, mine.code);
    expect([answer.status, answer.body.code]).toEqual([409, 'code_invalid']);
    expect((await stage.flowOf(mine.target)).status).toBe('open');
    expect(await api.bellhop.sandbox.journal({ userId: mine.target.userId })).toEqual([]);
  });

  test('from a key without the scope is 403 and uses nothing up', async () => {
    const mine = await comeBack();
    scopes = ['operator'];
    try {
      for (const userId of [mine.target.userId, 'somebody-else']) {
        const answer = await confirm(mine.target.flowId, userId, mine.code);
        expect([answer.status, answer.body.code]).toEqual([403, 'forbidden']);
      }
    } finally {
      scopes = ['admin'];
    }
    await stage.expectHarmless(mine.target, [[mine, 'awaiting_confirm', null]]);
    await expectConfirmed(mine);
  });

  test('of the first of two clicks is dead once the second was confirmed, and its account is deleted', async () => {
    const target = await stage.target();
    const first = await comeBack(await stage.click(target));
    const second = await comeBack(await stage.click(target));
    await expectConfirmed(second);
    expect((await confirm(target.flowId, target.userId, first.code)).body.code).toBe('code_invalid');
    expect(await stage.attemptOf(first.attemptId)).toMatchObject({
      status: 'superseded',
      reason: 'flow_ended',
    });
    await expect.poll(() => stage.accountsOf(target), PATIENCE).toEqual([second.accountId]);
  });
});

test('a consent that waits for its confirmation never acts and is shown as no connection', async () => {
  const mine = await comeBack();
  expect((await api.bellhop.sandbox.account(mine.accountId)).status).toBe('ACTIVE');
  const { userId } = mine.target;
  const next = await startSettled(api, {
    userId,
    task: 'Tell #general hello',
    tools: ['SLACK_SEND_MESSAGE'],
    onMissingConnection: 'fail',
  });
  expect(next.error.code).toBe('connection_required');
  expect((await api.call('GET', `/v1/users/${userId}/connections`)).body.items).toEqual([]);
  const asked = await api.call('POST', `/v1/users/${userId}/connections`, { body: { app: 'slack' } });
  expect(asked.body).toMatchObject({ flowId: mine.target.flowId, status: 'open' });
  await stage.expectHarmless(mine.target, [[mine, 'awaiting_confirm', null]]);
});
