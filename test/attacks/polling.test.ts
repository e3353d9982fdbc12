/** A consent whose callback never arrives: what polling may accept without a verifier, what it must undo with one. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '../api/setup/api.ts';
import { createBrowser } from '../api/setup/browser.ts';
import { type AttackStage, createStage, PATIENCE } from './stage.ts';

describe('a popup that is closed before the redirect, without a verifier', () => {
  let api: TestApi;
  let stage: AttackStage;
  beforeAll(async () => {
    api = await startTestApi();
    stage = createStage(api);
  });
  afterAll(() => api.close());

  test('is accepted after CONNECT_CALLBACK_GRACE; a callback without the cookie takes the account back, what was done stays', async () => {
    const target = await stage.target();
    const click = await stage.click(target);
    const callback = await stage.consent(click);
    expect((await api.bellhop.ended(target.runId)).status).toBe('completed');
    const accepted = await stage.attemptOf(click.attemptId);
    expect(accepted).toMatchObject({ status: 'accepted', acceptedBy: 'poll' });
    const flow = await stage.flowOf(target);
    expect(flow).toMatchObject({ status: 'completed', accountId: click.accountId });
    const signals = await stage.signals(target);
    const late = await stage.visit(createBrowser(), callback);
    expect([late.status, late.location]).toEqual([400, null]);
    expect(await stage.attemptOf(click.attemptId)).toMatchObject({
      status: 'failed',
      reason: 'other_browser',
    });
    await expect.poll(() => stage.accountsOf(target), PATIENCE).toEqual([]);
    expect(await stage.signals(target)).toBe(signals);
    expect(await api.bellhop.sandbox.journal({ userId: target.userId })).toHaveLength(1);
    // The next run has to ask again.
    expect((await stage.target('slack', target.userId)).flowId).not.toBe(target.flowId);
  });

  test('is accepted for good when the late callback has the cookie, which then counts as used', async () => {
    const target = await stage.target();
    const click = await stage.click(target);
    const callback = await stage.consent(click);
    expect((await api.bellhop.ended(target.runId)).status).toBe('completed');
    expect((await stage.visit(click.browser, callback)).text).toContain('is connected');
    for (const browser of [click.browser, createBrowser()])
      expect((await stage.visit(browser, callback)).status).toBe(400);
    expect(await stage.attemptOf(click.attemptId)).toMatchObject({
      status: 'accepted',
      acceptedBy: 'callback',
    });
    expect(await stage.accountsOf(target)).toEqual([click.accountId]);
  });
});

describe('a popup that is closed before the redirect, with a verifier', () => {
  let api: TestApi;
  let stage: AttackStage;
  beforeAll(async () => {
    const connect = { verifierUrl: 'https://app.example/verify' };
    api = await startTestApi({ settings: { verifierMode: true }, connect });
    stage = createStage(api);
  });
  afterAll(() => api.close());

  test('cannot be confirmed: its account is deleted, nothing resumes, and the user clicks again', async () => {
    const target = await stage.target();
    const click = await stage.click(target);
    const callback = await stage.consent(click);
    await expect.poll(() => stage.accountsOf(target), PATIENCE).toEqual([]);
    await stage.expectHarmless(target, [[click, 'failed', 'callback_lost']]);
    // The callback that comes after that gets no code, from the right browser either.
    const late = await stage.visit(click.browser, callback);
    expect([late.status, late.location]).toEqual([400, null]);
    await stage.expectHarmless(target, [[click, 'failed', 'callback_lost']]);
    const again = await stage.click(target);
    const page = await stage.visit(again.browser, await stage.consent(again));
    const code = new URL(page.location ?? 'x:').searchParams.get('code');
    const body = { userId: target.userId, code };
    expect((await api.call('POST', `/v1/connections/${target.flowId}/confirm`, { body })).status).toBe(200);
    expect((await api.bellhop.ended(target.runId)).status).toBe('completed');
    expect(await api.bellhop.sandbox.journal({ userId: target.userId })).toMatchObject([
      { accountId: again.accountId },
    ]);
  });
});
