/**
 * Named attacks on the connect flow without a verifier: each with its HTTP status, the attempt, the flow, signals and the
 * effect journal. Polling is too slow here to matter: what it accepts is in polling.test.ts.
 */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asSystem } from '../../db/scope.ts';
import { flowWorkflowId } from '../../workflows/messages.ts';
import { startTestApi, type TestApi } from '../api/setup/api.ts';
import { createBrowser, type Page } from '../api/setup/browser.ts';
import { type AttackStage, type Click, createStage, PATIENCE } from './stage.ts';

const NEVER_MS = 600_000;
const INVALID = 'This link does not work';

let api: TestApi;
let stage: AttackStage;
beforeAll(async () => {
  api = await startTestApi({ settings: { pollIntervalMs: NEVER_MS, callbackGraceMs: NEVER_MS } });
  stage = createStage(api);
});
afterAll(() => api.close());

const expectRefused = (page: Page): void =>
  expect([page.status, page.location, page.text.includes(INVALID)]).toEqual([400, null, true]);
const edit = (callback: string, change: (query: URLSearchParams) => void): string => {
  const url = new URL(callback);
  change(url.searchParams);
  return url.href;
};
const expectGone = async (click: Click): Promise<void> =>
  await expect.poll(() => stage.accountsOf(click.target), PATIENCE).not.toContain(click.accountId);

describe('a forwarded link', () => {
  test('to the provider: the victim’s browser without the cookie is refused, and the victim’s grant is deleted', async () => {
    const target = await stage.target();
    const attacker = await stage.click(target);
    const callback = await stage.consent(attacker);
    expectRefused(await stage.visit(createBrowser(), callback));
    await stage.expectHarmless(target, [[attacker, 'failed', 'other_browser']]);
    await expect.poll(() => stage.accountsOf(target), PATIENCE).toEqual([]);
    // The attacker's own browser gains nothing from it afterwards.
    expectRefused(await stage.visit(attacker.browser, callback));
    await stage.expectHarmless(target, [[attacker, 'failed', 'other_browser']]);
    await stage.expectStillWorks(target);
  });

  test('of ours is NOT prevented in this mode: the page says for whom, and whoever goes on connects their own account', async () => {
    const target = await stage.target();
    const victim = createBrowser();
    const page = await stage.visit(victim, target.connectUrl);
    expect(page.text).toContain(`Go on only if you are ${target.userId}`);
    expect(page.text).toMatch(/Whoever goes on connects their own Slack\s+account for/);
    const click = await stage.click(target, victim);
    expect((await stage.visit(victim, await stage.consent(click))).text).toContain('Slack is connected');
    expect((await api.bellhop.ended(target.runId)).status).toBe('completed');
  });
});

test('without a verifier there is nothing to confirm: 409, and nothing changes', async () => {
  const target = await stage.target();
  const click = await stage.click(target);
  await stage.consent(click);
  for (const code of ['', 'x'.repeat(43)]) {
    const body = { userId: target.userId, code };
    const answer = await api.call('POST', `/v1/connections/${target.flowId}/confirm`, { body });
    expect([answer.status, answer.body.code]).toEqual([409, 'code_invalid']);
  }
  await stage.expectHarmless(target, [[click, 'open', null]]);
});

describe('a callback of something else', () => {
  /** Two users, each with a click in a browser of their own; both have consented, neither browser came back. */
  async function two(apps: readonly ['slack', 'slack' | 'gmail'] = ['slack', 'slack']) {
    const [a, b] = [await stage.target(apps[0]), await stage.target(apps[1])];
    const [mine, theirs] = [await stage.click(a), await stage.click(b)];
    return {
      mine,
      theirs,
      myCallback: await stage.consent(mine),
      theirCallback: await stage.consent(theirs),
    };
  }
  const stateOf = (callback: string): string => new URL(callback).searchParams.get('state') ?? '';

  test('another attempt’s state on one’s own path, with one’s own cookie, is refused; both attempts live on', async () => {
    const { mine, theirs, myCallback, theirCallback } = await two();
    expectRefused(
      await stage.visit(
        mine.browser,
        edit(myCallback, (query) => query.set('state', stateOf(theirCallback))),
      ),
    );
    await stage.expectHarmless(mine.target, [[mine, 'open', null]]);
    await stage.expectHarmless(theirs.target, [[theirs, 'open', null]]);
    expect((await stage.visit(theirs.browser, theirCallback)).text).toContain('is connected');
    expect((await stage.visit(mine.browser, myCallback)).text).toContain('is connected');
  });

  test('one’s own state on another attempt’s path is refused; both attempts live on', async () => {
    const { mine, theirs, myCallback, theirCallback } = await two();
    expectRefused(
      await stage.visit(
        mine.browser,
        edit(theirCallback, (query) => query.set('state', stateOf(myCallback))),
      ),
    );
    await stage.expectHarmless(mine.target, [[mine, 'open', null]]);
    await stage.expectHarmless(theirs.target, [[theirs, 'open', null]]);
  });

  test('a whole callback of another user, with the cookie of one’s own attempt, ends that attempt; its account is deleted', async () => {
    const { mine, theirs, theirCallback } = await two();
    expectRefused(await stage.visit(mine.browser, theirCallback));
    await stage.expectHarmless(theirs.target, [[theirs, 'failed', 'other_browser']]);
    await stage.expectHarmless(mine.target, [[mine, 'open', null]]);
    await expectGone(theirs);
    expect(await stage.accountsOf(mine.target)).toEqual([mine.accountId]);
  });

  test('a whole callback of another app and user is refused likewise, and that user’s flow still completes', async () => {
    const { mine, theirs, theirCallback } = await two(['slack', 'gmail']);
    expectRefused(await stage.visit(mine.browser, theirCallback));
    await stage.expectHarmless(theirs.target, [[theirs, 'failed', 'other_browser']]);
    await stage.expectStillWorks(theirs.target);
  });

  test('the callback of another tab’s app, in the same browser, with this tab’s state, is refused; both complete', async () => {
    const slack = await stage.target('slack');
    const gmail = await stage.target('gmail', slack.userId);
    const one = await stage.click(slack);
    const other = await stage.click(gmail, one.browser);
    const [callback, otherCallback] = [await stage.consent(one), await stage.consent(other)];
    const swapped = edit(callback, (query) => query.set('state', stateOf(otherCallback)));
    expectRefused(await stage.visit(one.browser, swapped));
    await stage.expectHarmless(slack, [[one, 'open', null]]);
    await stage.expectHarmless(gmail, [[other, 'open', null]]);
    const pages = await Promise.all([callback, otherCallback].map((each) => stage.visit(one.browser, each)));
    expect(pages.map(({ text }) => /(Slack|Gmail) is connected/.exec(text)?.[1])).toEqual(['Slack', 'Gmail']);
    for (const { runId } of [slack, gmail]) expect((await api.bellhop.ended(runId)).status).toBe('completed');
    const effects = await api.bellhop.sandbox.journal({ userId: slack.userId });
    const actors = Object.fromEntries(effects.map(({ toolkit, accountId }) => [toolkit, accountId]));
    expect([effects.length, actors]).toEqual([2, { slack: one.accountId, gmail: other.accountId }]);
  });

  test('the cookie of another attempt of the same flow does not do', async () => {
    const target = await stage.target();
    const [first, second] = [await stage.click(target), await stage.click(target)];
    expectRefused(await stage.visit(second.browser, await stage.consent(first)));
    await stage.expectHarmless(target, [
      [first, 'failed', 'other_browser'],
      [second, 'open', null],
    ]);
    await expectGone(first);
  });

  test.each(['connected_account_id', 'connectedAccountId'])(
    'another user’s account in %s is refused, that account is left alone, and the real callback still works',
    async (spelling) => {
      const { mine, theirs, myCallback } = await two();
      const foreign = edit(myCallback, (query) => {
        query.delete('connected_account_id');
        query.set(spelling, theirs.accountId);
      });
      expectRefused(await stage.visit(mine.browser, foreign));
      await stage.expectHarmless(mine.target, [[mine, 'open', null]]);
      expect(await stage.accountsOf(theirs.target)).toEqual([theirs.accountId]);
      expect((await stage.visit(mine.browser, myCallback)).text).toContain('is connected');
    },
  );

  test('the user’s own account of another app is refused', async () => {
    const target = await stage.target();
    const gmail = await api.bellhop.sandbox.seedAccount({ userId: target.userId, app: 'gmail' });
    const click = await stage.click(target);
    const callback = edit(await stage.consent(click), (query) => query.set('connected_account_id', gmail.id));
    expectRefused(await stage.visit(click.browser, callback));
    await stage.expectHarmless(target, [[click, 'open', null]]);
  });

  test('both spellings at once do when they agree, and are refused when one of them is foreign', async () => {
    const { mine, theirs, myCallback } = await two();
    const both = (id: string) => edit(myCallback, (query) => query.set('connectedAccountId', id));
    expectRefused(await stage.visit(mine.browser, both(theirs.accountId)));
    await stage.expectHarmless(mine.target, [[mine, 'open', null]]);
    expect((await stage.visit(mine.browser, both(mine.accountId))).text).toContain('is connected');
  });
});

describe('a state', () => {
  test.each<[string, (callback: string) => string]>([
    ['that is missing', (callback) => edit(callback, (query) => query.delete('state'))],
    ['that is empty', (callback) => edit(callback, (query) => query.set('state', ''))],
    [
      'with one more character',
      (callback) => edit(callback, (query) => query.set('state', `${query.get('state')}A`)),
    ],
    [
      'with one character changed',
      (callback) => callback.replace(/state=./, (found) => (found === 'state=A' ? 'state=B' : 'state=A')),
    ],
    [
      'in another case',
      (callback) => edit(callback, (query) => query.set('state', query.get('state')?.toUpperCase() ?? '')),
    ],
    ['given twice, the right one first', (callback) => `${callback}&state=x`],
    ['given twice, the right one last', (callback) => callback.replace('?', '?state=x&')],
    [
      'given twice, both right',
      (callback) => `${callback}&state=${new URL(callback).searchParams.get('state')}`,
    ],
    ['of 9,000 characters', (callback) => edit(callback, (query) => query.set('state', 'x'.repeat(9_000)))],
    ['with a NUL behind it', (callback) => callback.replace(/(state=[\w-]+)/, '$1%00')],
  ])('%s is refused, from the right browser too, and does not use the right one up', async (_, tamper) => {
    const target = await stage.target();
    const click = await stage.click(target);
    const callback = await stage.consent(click);
    expectRefused(await stage.visit(click.browser, tamper(callback)));
    await stage.expectHarmless(target, [[click, 'open', null]]);
    expect((await stage.visit(click.browser, callback)).text).toContain('is connected');
    expect((await api.bellhop.ended(target.runId)).status).toBe('completed');
  });
});

describe('a callback that comes again or too late', () => {
  test('a replay, from the same browser, another one and twenty at once, is refused and signals nothing more', async () => {
    const target = await stage.target();
    const click = await stage.click(target);
    const callback = await stage.consent(click);
    expect((await stage.visit(click.browser, callback)).status).toBe(200);
    expect((await api.bellhop.ended(target.runId)).status).toBe('completed');
    const signals = await stage.signals(target);
    const browsers = [createBrowser(), ...Array.from({ length: 20 }, () => click.browser)];
    for (const page of await Promise.all(browsers.map((browser) => stage.visit(browser, callback))))
      expectRefused(page);
    expect(await stage.signals(target)).toBe(signals);
    expect(await stage.attemptOf(click.attemptId)).toMatchObject({
      status: 'accepted',
      acceptedBy: 'callback',
    });
    expect(await stage.accountsOf(target)).toEqual([click.accountId]);
    expect(await api.bellhop.sandbox.journal({ userId: target.userId })).toHaveLength(1);
  });

  test('the first click’s callback after the second click’s was accepted is refused, and its account is deleted', async () => {
    const target = await stage.target();
    const first = await stage.click(target);
    const second = await stage.click(target, first.browser);
    const late = await stage.consent(first);
    expect((await stage.visit(first.browser, await stage.consent(second))).text).toContain('is connected');
    expect((await api.bellhop.ended(target.runId)).status).toBe('completed');
    const signals = await stage.signals(target);
    expectRefused(await stage.visit(first.browser, late));
    expect(await stage.signals(target)).toBe(signals);
    expect(await stage.attemptOf(first.attemptId)).toMatchObject({
      status: 'superseded',
      reason: 'flow_ended',
    });
    expect(await stage.flowOf(target)).toMatchObject({ status: 'completed', accountId: second.accountId });
    await expect.poll(() => stage.accountsOf(target), PATIENCE).toEqual([second.accountId]);
    expect(await api.bellhop.sandbox.journal({ userId: target.userId })).toMatchObject([
      { accountId: second.accountId },
    ]);
  });

  test('two tabs for one app that come back at once: exactly one is accepted, the other’s account is deleted', async () => {
    const target = await stage.target();
    const one = await stage.click(target);
    const other = await stage.click(target, one.browser);
    const callbacks = [await stage.consent(one), await stage.consent(other)];
    const pages = await Promise.all(callbacks.map((callback) => stage.visit(one.browser, callback)));
    expect(pages.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 400]);
    const winner = pages[0]?.status === 200 ? one : other;
    expect((await api.bellhop.ended(target.runId)).status).toBe('completed');
    await expect.poll(() => stage.accountsOf(target), PATIENCE).toEqual([winner.accountId]);
    expect(await api.bellhop.sandbox.journal({ userId: target.userId })).toMatchObject([
      { accountId: winner.accountId },
    ]);
  });

  test('an attempt past its twelve minutes is refused, and its account is deleted', async () => {
    const target = await stage.target();
    const click = await stage.click(target);
    const callback = await stage.consent(click);
    await asSystem(api.bellhop.db, (tx) =>
      sql`update connection_attempts set expires_at = now() - interval '1 second' where id = ${click.attemptId}`.execute(
        tx,
      ),
    );
    expectRefused(await stage.visit(click.browser, callback));
    await api.bellhop.client.workflow.getHandle(flowWorkflowId(target.flowId)).signal('attempt-opened');
    await expect.poll(() => stage.accountsOf(target), PATIENCE).toEqual([]);
    await stage.expectHarmless(target, [[click, 'expired', 'timed_out']]);
  });

  test('a flow that has ended by itself refuses the callback of its click, whose account is deleted', async () => {
    const target = await stage.target();
    const click = await stage.click(target);
    const elsewhere = await api.bellhop.sandbox.seedAccount({ userId: target.userId, app: 'slack' });
    const flow = api.bellhop.client.workflow.getHandle(flowWorkflowId(target.flowId));
    await flow.signal('connection-completed', { app: 'slack' });
    expect((await api.bellhop.ended(target.runId)).status).toBe('completed');
    await expect.poll(() => stage.accountsOf(target), PATIENCE).toEqual([elsewhere.id]);
    const signals = await stage.signals(target);
    const state = 'x'.repeat(43);
    expectRefused(
      await stage.visit(click.browser, `${api.url}/oauth/callback/${click.attemptId}?state=${state}`),
    );
    expectRefused(await stage.visit(click.browser, `${api.url}/oauth/callback/${click.attemptId}`));
    expect(await stage.attemptOf(click.attemptId)).toMatchObject({ status: 'superseded' });
    expect(await stage.signals(target)).toBe(signals);
    expect(await api.bellhop.sandbox.journal({ userId: target.userId })).toMatchObject([
      { accountId: elsewhere.id },
    ]);
  });

  test('a run that has ended is not woken by a consent for its flow, and nothing is done', async () => {
    const target = await stage.target();
    const click = await stage.click(target);
    await api.call('POST', `/v1/runs/${target.runId}/cancel`);
    expect((await api.bellhop.ended(target.runId)).status).toBe('cancelled');
    expect((await stage.visit(click.browser, await stage.consent(click))).text).toContain('is connected');
    expect((await stage.flowOf(target)).status).toBe('completed');
    await api.bellhop.client.workflow.getHandle(flowWorkflowId(target.flowId)).result();
    expect((await api.bellhop.run(target.runId)).status).toBe('cancelled');
    expect(await api.bellhop.sandbox.journal({ userId: target.userId })).toEqual([]);
  });
});

describe('a refusal', () => {
  test.each(['status=failed', 'status=FAILED', 'status=anything', 'error=access_denied'])(
    'said by %s ends the attempt although the account is ACTIVE: the account is deleted',
    async (words) => {
      const target = await stage.target();
      const click = await stage.click(target);
      const callback = (await stage.consent(click)).replace('status=success', words);
      const page = await stage.visit(click.browser, callback);
      expect([page.status, page.text.includes('Slack was not connected')]).toEqual([200, true]);
      await stage.expectHarmless(target, [[click, 'failed', 'denied']]);
      await expect.poll(() => stage.accountsOf(target), PATIENCE).toEqual([]);
    },
  );

  test('said from a browser without the cookie is a bad callback like any other', async () => {
    const target = await stage.target();
    const click = await stage.click(target);
    await stage.lookedAt(target);
    expectRefused(await stage.visit(createBrowser(), await stage.consent(click, 'deny')));
    await stage.expectHarmless(target, [[click, 'failed', 'other_browser']]);
    await expect.poll(() => stage.accountsOf(target), PATIENCE).toEqual([]);
  });
});

test('what is refused looks the same to the byte and in its headers: unknown, used, foreign, tampered, expired, ended', async () => {
  const target = await stage.target();
  const click = await stage.click(target);
  const used = await stage.consent(click);
  expect((await stage.visit(click.browser, used)).status).toBe(200);
  const [foreign, live] = [await stage.click(await stage.target()), await stage.click(await stage.target())];
  const bad = [
    [click.browser, used],
    [createBrowser(), used],
    [click.browser, await stage.consent(foreign)],
    [live.browser, edit(await stage.consent(live), (query) => query.set('state', 'x'))],
    [live.browser, `${api.url}/oauth/callback/${live.attemptId}`],
    [createBrowser(), `${api.url}/oauth/callback/unknown?state=x`],
    [createBrowser(), `${api.url}/oauth/callback/unknown`],
    [createBrowser(), `${api.url}/connect/${'x'.repeat(43)}`],
    [createBrowser(), target.connectUrl],
    [createBrowser(), `${target.connectUrl}/go`],
  ] as const;
  const pages: string[] = [];
  for (const [browser, address] of bad) {
    const page = await stage.visit(browser, address);
    expectRefused(page);
    pages.push(JSON.stringify([page.text, page.headers]));
  }
  expect(new Set(pages).size).toBe(1);
});
