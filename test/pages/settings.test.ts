/** A user's settings page: who gets in, what it shows, what it changes, in a real browser and with forged requests. */
import { randomUUID } from 'node:crypto';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createSeal } from '../../api/sessions/seal.ts';
import { KEY, send, startTestApi, type TestApi } from '../api/setup/api.ts';
import { startSettled } from '../api/setup/settled-run.ts';
import { until } from '../setup/until.ts';
import {
  expectGood,
  PAGE_TEST_MS,
  PHONE,
  startTestBrowser,
  tabTo,
  type TestBrowser,
} from './setup/browser.ts';
import { expectStill } from './setup/shifts.ts';

vi.setConfig({ testTimeout: PAGE_TEST_MS });

let api: TestApi;
let browser: TestBrowser;
beforeAll(async () => {
  [api, browser] = await Promise.all([startTestApi(), startTestBrowser()]);
});
afterAll(async () => {
  await browser.close();
  await api.close();
});
afterEach(async () => {
  await api.bellhop.sandbox.clearFaults();
  expect(await browser.finish()).toEqual([]);
});

async function newUser(displayName = 'Alice'): Promise<string> {
  const userId = `u-${randomUUID().slice(0, 8)}`;
  await api.call('PUT', `/v1/users/${userId}`, { body: { displayName } });
  return userId;
}
async function linkOf(userId: string, apps: readonly string[] = []): Promise<string> {
  const answer = await api.call('POST', `/v1/users/${userId}/portal-links`, { body: { apps } });
  expect(answer.status).toBe(201);
  const left = Date.parse(answer.body.expiresAt) - Date.now();
  expect(left).toBeLessThanOrEqual(300_000);
  return answer.body.url;
}
const section = (page: Page, app: string) =>
  page.locator('section', { has: page.getByRole('heading', { level: 2, name: app, exact: true }) });
const status = (page: Page, app: string, text: string) => section(page, app).getByText(text, { exact: true });

const firstWord = (text: string): string => text.trim().split(/\s/)[0] ?? '';

describe('the settings page', () => {
  it('shows apps, tasks that wait, accounts; connects, reconnects and disconnects; is clean on a phone', async () => {
    const userId = await newUser();
    await api.bellhop.sandbox.seedAccount({ userId, app: 'gmail', status: 'EXPIRED' });
    const run = await startSettled(api, {
      userId,
      task: 'Post "hello" to #general on Slack',
      tools: ['SLACK_SEND_MESSAGE'],
    });
    const { context, page } = await browser.person({ viewport: PHONE });
    await page.goto(await linkOf(userId, ['github']));
    expect(new URL(page.url()).pathname).toBe('/portal');
    expect(await page.getByRole('heading', { level: 2 }).allTextContents()).toEqual([
      'Slack',
      'Gmail',
      'GitHub',
    ]);
    await status(page, 'Slack', 'Not connected').waitFor();
    await section(page, 'Slack').getByText('Post "hello" to #general on Slack').waitFor();
    await status(page, 'Gmail', 'Has expired').waitFor();
    // One thing to do first, and it stands above what takes things away.
    expect(await page.locator('.action').allInnerTexts()).toEqual([expect.stringContaining('Connect')]);
    expect(await section(page, 'Slack').locator('.action').count()).toBe(1);
    expect(
      (await section(page, 'Gmail').locator('button:visible, summary').allInnerTexts()).map(firstWord),
    ).toEqual(['Reconnect', 'Disconnect']);
    await expectGood(page, 'settings');

    await section(page, 'Slack').getByRole('button', { name: 'Connect' }).click();
    await page.getByRole('link', { name: 'Continue to Slack' }).click();
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByRole('link', { name: 'Back to your connections' }).click();
    await status(page, 'Slack', 'Connected').waitFor();
    expect((await api.bellhop.ended(run.id)).status).toBe('completed');

    const before = await api.bellhop.sandbox.accounts({ userId });
    const account = before.find(({ app }) => app === 'slack')?.id ?? '';
    await section(page, 'Slack').getByText(account).first().waitFor();
    await section(page, 'Slack').getByText('Disconnect', { exact: false }).first().click();
    await expectGood(page, 'settings, about to disconnect');
    await section(page, 'Slack').getByRole('button', { name: 'Yes, disconnect' }).click();
    await expect
      .poll(async () => (await api.bellhop.sandbox.accounts({ userId })).map(({ app }) => app), {
        timeout: 60_000,
      })
      .toEqual(['gmail']);
    await page.waitForURL((url) => url.pathname === '/portal');
    expect(await section(page, 'Slack').count()).toBe(0);

    await section(page, 'Gmail').getByRole('button', { name: 'Reconnect' }).click();
    await page.getByRole('heading', { level: 1, name: 'Reconnect Gmail' }).waitFor();
    await context.close();
  });

  it('shows by itself what was connected elsewhere, and keeps the focus where it was', async () => {
    const userId = await newUser();
    const { context, page } = await browser.person();
    await page.goto(await linkOf(userId, ['slack', 'gmail']));
    await tabTo(page, 'Connect Gmail');
    // The first look learns what is there.
    await page.waitForResponse((response) => response.url().endsWith('/portal/apps'));
    const flow = await api.call('POST', `/v1/users/${userId}/connections`, { body: { app: 'slack' } });
    const elsewhere = await browser.person();
    await elsewhere.page.goto(`${flow.body.connectUrl}/go`);
    await elsewhere.page.getByRole('button', { name: 'Approve' }).click();
    await elsewhere.page.getByText('Slack is connected').first().waitFor();
    await status(page, 'Slack', 'Connected').waitFor();
    await expectStill(page, 'settings, live');
    expect(await page.getByRole('status').textContent()).toBe('Your connections have changed.');
    expect(await page.evaluate("document.activeElement.textContent.trim().replaceAll(/\\s+/g, ' ')")).toBe(
      'Connect Gmail',
    );
    await elsewhere.context.close();
    await context.close();
  });

  it('works without script and with the keyboard alone', async () => {
    const userId = await newUser();
    const { context, page } = await browser.person({ javaScriptEnabled: false });
    await page.goto(await linkOf(userId, ['slack']));
    const button = page.getByRole('button', { name: 'Connect Slack' });
    await page.keyboard.press('Tab');
    expect(await button.and(page.locator(':focus')).count()).toBe(1);
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'Continue to Slack' }).waitFor();
    await context.close();
  });

  it('says what to do when it shows what was last seen, has nothing to show, or the time is over', async () => {
    const userId = await newUser();
    const { context, page } = await browser.person();
    await page.goto(`${api.url}/portal`);
    await page.getByRole('heading', { level: 1, name: 'Please open this page again' }).waitFor();
    await expectGood(page, 'signed out');
    await page.goto(await linkOf(userId));
    await page.getByText('There is nothing here yet').waitFor();
    await expectGood(page, 'settings, empty');
    await api.bellhop.sandbox.seedAccount({ userId, app: 'slack', status: 'ACTIVE' });
    await page.reload();
    await status(page, 'Slack', 'Connected').waitFor();
    await api.bellhop.sandbox.addFault({
      match: { pathPrefix: '/connected_accounts', userId },
      action: { type: 'status', status: 500 },
    });
    await page.reload();
    await page.getByText('This may be out of date').waitFor();
    await status(page, 'Slack', 'Connected').waitFor();
    await expectGood(page, 'settings, out of date');
    await context.close();
  });
});

describe('who gets into a settings page', () => {
  const open = async (path: string, cookie = ''): Promise<Awaited<ReturnType<typeof send>>> =>
    await send(api.url, 'GET', path, { headers: cookie === '' ? {} : { cookie } });
  const cookieOf = async (userId: string): Promise<string> =>
    await cookieOfPath(new URL(await linkOf(userId)).pathname);
  const cookieOfPath = async (path: string): Promise<string> => {
    const answer = await open(path);
    expect([answer.status, answer.headers['location']]).toEqual([303, '/portal']);
    const [cookie = ''] = answer.headers['set-cookie'] ?? [];
    expect(cookie).toMatch(/^bellhop-portal=[\w-]+; Path=\/; Max-Age=1800; HttpOnly; SameSite=Lax$/);
    return cookie.split(';')[0] ?? '';
  };
  const formTokenOf = async (cookie: string): Promise<string> =>
    /name="form" value="([\w-]+)"/.exec((await open('/portal', cookie)).text)?.[1] ?? '';
  const post = (path: string, cookie: string, fields: Record<string, string>, headers = {}) =>
    send(api.url, 'POST', path, {
      body: new URLSearchParams(fields).toString(),
      headers: { cookie, 'content-type': 'application/x-www-form-urlencoded', ...headers },
    });

  it('nobody with a link or cookie that is unknown, changed, over, or made for something else; all get the same page', async () => {
    const userId = await newUser();
    const link = new URL(await linkOf(userId)).pathname;
    const ask = { userId, since: (await api.call('GET', `/v1/users/${userId}`)).body.createdAt, apps: [] };
    const over = createSeal(KEY, 'portal-link').seal(ask, new Date(Date.now() - 1));
    const session = (await cookieOf(userId)).replace('bellhop-portal=', '');
    const paths = [over, session, 'x', 'x'.repeat(9_000)].map((token) => `/portal/open/${token}`);
    const pages = await Promise.all(
      [...paths, `${link.slice(0, 40)}${link.slice(41)}`].map((path) => open(path)),
    );
    expect(new Set(pages.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect([pages[0]?.status, pages[0]?.headers['set-cookie']]).toEqual([400, undefined]);
    const token = link.split('/').at(-1) ?? '';
    expect((await open('/portal', `bellhop-portal=${token}`)).status).toBe(401);
    expect((await open('/portal', `bellhop-portal=planted; bellhop-portal=${session}`)).status).toBe(200);
    expect(api.logged()).not.toContain(token);
    expect(api.logged()).not.toContain(session);
  });

  it('the first browser that comes back with its cookie, and no other one; what only fetches the address takes nothing', async () => {
    const userId = await newUser();
    const link = await linkOf(userId);
    const path = new URL(link).pathname;
    // A scanner of mails or a preview follows the link and keeps nothing.
    await open(path);
    await send(api.url, 'HEAD', path, {});
    const [mine, theirs] = [await browser.person(), await browser.person()];
    const isHeaded = async (page: Page, text: string) =>
      await page.getByRole('heading', { level: 1, name: text, exact: true }).waitFor();
    await mine.page.goto(link);
    await isHeaded(mine.page, 'Your connections');
    await theirs.page.goto(link);
    await isHeaded(theirs.page, 'This link was used');
    await theirs.page.getByText('ask for a new one').waitFor();
    await expectGood(theirs.page, 'settings, link was used');
    await theirs.page.goto(`${api.url}/portal`);
    await isHeaded(theirs.page, 'Please open this page again');
    await mine.page.goto(link);
    await isHeaded(mine.page, 'Your connections');
    // A new link is good for the other browser, and for this one another's used link of the same user does no harm.
    const second = await linkOf(userId);
    await theirs.page.goto(second);
    await isHeaded(theirs.page, 'Your connections');
    await mine.page.goto(second);
    await isHeaded(mine.page, 'Your connections');
    await mine.context.close();
    await theirs.context.close();
  });

  it('exactly one of two browsers that open a link at the same moment', async () => {
    const path = new URL(await linkOf(await newUser())).pathname;
    const cookies = await Promise.all(Array.from({ length: 6 }, async () => await cookieOfPath(path)));
    const pages = await Promise.all(cookies.map((cookie) => open('/portal', cookie)));
    expect(pages.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      200, 410, 410, 410, 410, 410,
    ]);
    const loser = cookies[pages.findIndex(({ status }) => status === 410)] ?? '';
    const form = await formTokenOf(cookies[pages.findIndex(({ status }) => status === 200)] ?? '');
    expect((await post('/portal/connect', loser, { form, app: 'slack' })).status).toBe(410);
    expect((await open('/portal/apps', loser)).status).toBe(410);
  });

  it('nobody after the user was erased, also when the id starts anew, and nobody whose time is over', async () => {
    const userId = await newUser();
    const cookie = await cookieOf(userId);
    const unused = new URL(await linkOf(userId)).pathname;
    expect((await open('/portal', cookie)).status).toBe(200);
    await api.call('DELETE', `/v1/users/${userId}`);
    expect((await open('/portal', cookie)).status).toBe(401);
    await until(
      'the end of the erasure',
      async () => (await api.call('GET', `/v1/users/${userId}`)).status === 404,
    );
    expect((await open('/portal', cookie)).status).toBe(401);
    expect((await open(unused)).status).toBe(400);
    await api.call('PUT', `/v1/users/${userId}`, { body: {} });
    expect([(await open('/portal', cookie)).status, (await open(unused)).status]).toEqual([401, 400]);
    const { createdAt } = (await api.call('GET', `/v1/users/${userId}`)).body;
    const session = { userId, since: createdAt, apps: [], link: 'bGluaw' };
    const seal = (at: number) => createSeal(KEY, 'portal-session').seal(session, new Date(at));
    const [over, good] = [seal(Date.now() - 1), seal(Date.now() + 60_000)];
    expect((await open('/portal', `bellhop-portal=${over}`)).status).toBe(401);
    expect((await open('/portal', `bellhop-portal=${good}`)).status).toBe(200);
  });

  it('only the integrator makes links, for users that it has registered, with the scope for it', async () => {
    const userId = await newUser();
    const without = await api.call('POST', `/v1/users/${userId}/portal-links`, {
      headers: { authorization: undefined },
    });
    expect(without.status).toBe(401);
    expect((await api.call('POST', '/v1/users/nobody-known/portal-links')).body.code).toBe('user_unknown');
    expect((await api.call('POST', `/v1/users/${userId}/portal-links`)).status).toBe(201);
  });

  it('nobody changes anything without the form of this very session, or from another site', async () => {
    const [mine, theirs] = [await newUser(), await newUser('Bob')];
    const { id } = await api.bellhop.sandbox.seedAccount({ userId: theirs, app: 'slack', status: 'ACTIVE' });
    const cookie = await cookieOf(theirs);
    const mineCookie = await cookieOf(mine);
    const form = await formTokenOf(await cookieOf(theirs));
    await api.bellhop.sandbox.seedAccount({ userId: mine, app: 'slack', status: 'ACTIVE' });
    const own = await formTokenOf(cookie);
    expect(own).not.toBe('');
    for (const [sent, fields, headers] of [
      [cookie, { accountId: id }, {}],
      [cookie, { form, accountId: id }, {}],
      [cookie, { form: own, accountId: id }, { 'sec-fetch-site': 'cross-site' }],
      [cookie, { form: own, accountId: id }, { 'sec-fetch-site': 'same-site' }],
      [cookie, { form: own, accountId: id, userId: mine }, {}],
      [cookie, { form: own, accountId: id }, { 'content-type': 'text/plain' }],
    ] as const)
      expect((await post('/portal/disconnect', sent, fields, headers)).status).toBe(403);
    expect((await post('/portal/disconnect', '', { form: own, accountId: id })).status).toBe(401);
    // Another user's account is not there, whoever asks: the answer is that of one which is gone.
    const foreign = { form: await formTokenOf(mineCookie), accountId: id };
    expect((await post('/portal/disconnect', mineCookie, foreign)).status).toBe(303);
    expect((await api.bellhop.sandbox.accounts({ userId: theirs })).map((account) => account.id)).toEqual([
      id,
    ]);
    expect((await post('/portal/disconnect', cookie, { form: own, accountId: id })).status).toBe(303);
    expect(await api.bellhop.sandbox.accounts({ userId: theirs })).toEqual([]);
  });
});
