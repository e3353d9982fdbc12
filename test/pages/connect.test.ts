/** The connect pages in a real browser: the usual way, keyboard alone, Back, reload, double click, two browsers. */
import { randomUUID } from 'node:crypto';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { contrastOf, accentsOf } from '../../api/pages/colors.ts';
import { loadBrand } from '../../api/brand.ts';
import { startTestApi, type TestApi } from '../api/setup/api.ts';
import {
  expectAccessible,
  PAGE_TEST_MS,
  PHONE,
  startTestBrowser,
  type TestBrowser,
} from './setup/browser.ts';

vi.setConfig({ testTimeout: PAGE_TEST_MS });

let api: TestApi;
let browser: TestBrowser;
beforeAll(async () => {
  [api, browser] = await Promise.all([
    // No callback is overtaken by polling here.
    startTestApi({ settings: { pollIntervalMs: 600_000, callbackGraceMs: 600_000 } }),
    startTestBrowser(),
  ]);
});
afterAll(async () => {
  await browser.close();
  await api.close();
});
afterEach(async () => {
  await api.bellhop.sandbox.updateSettings({ activeDelayMs: 0, dropCallbacks: 0 });
  expect(browser.complaints).toEqual([]);
});

/** A user whose run waits for Slack. */
async function waitingRun(
  displayName = 'Alice',
): Promise<{ userId: string; runId: string; connectUrl: string }> {
  const userId = `u-${randomUUID().slice(0, 8)}`;
  await api.call('PUT', `/v1/users/${userId}`, { body: { displayName } });
  const run = await api.call('POST', '/v1/runs', {
    body: { userId, task: 'Post "hello" to #general on Slack', tools: ['SLACK_SEND_MESSAGE'] },
  });
  expect(run.body.status).toBe('waiting_for_connection');
  return { userId, runId: run.body.id, connectUrl: run.body.waitingFor[0].connectUrl };
}
const heading = (page: Page) => page.getByRole('heading', { level: 1 });
const isHeaded = async (page: Page, text: string): Promise<void> =>
  await page.getByRole('heading', { level: 1, name: text, exact: true }).waitFor();
const statusOf = async (path: string) => (await api.call('GET', path)).body;

describe('connecting an account in a browser', () => {
  it('goes from the link to the finished page on a phone, each page clean, and the run acts once', async () => {
    const { userId, runId, connectUrl } = await waitingRun();
    const { context, page } = await browser.person({ viewport: PHONE });
    await page.goto(connectUrl);
    expect(await heading(page).textContent()).toBe('Connect Slack');
    expect(await page.locator('script').count()).toBe(0);
    await expectAccessible(page, 'connect');
    await page.getByRole('link', { name: 'Continue to Slack' }).click();
    await page.getByRole('button', { name: 'Approve' }).click();
    await isHeaded(page, 'Slack is connected');
    await expectAccessible(page, 'finished');
    expect((await api.bellhop.ended(runId, 40_000)).status).toBe('completed');
    expect(await api.bellhop.sandbox.journal({ userId })).toHaveLength(1);
    // The link is used up, for this browser as for any other; that nothing is lost is what it says.
    await page.goto(connectUrl);
    await isHeaded(page, 'This link does not work');
    await page.getByText('what you have connected before stays connected').waitFor();
    await context.close();
  });

  it('works with the keyboard alone, and without script', async () => {
    const { runId, connectUrl } = await waitingRun();
    const { context, page } = await browser.person({ javaScriptEnabled: false });
    await page.goto(connectUrl);
    await tabToWithoutScript(page, 'Continue to Slack');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Approve' }).focus();
    await page.keyboard.press('Enter');
    await isHeaded(page, 'Slack is connected');
    expect((await api.bellhop.ended(runId, 40_000)).status).toBe('completed');
    await context.close();
  });

  it('is not confused by Back from the provider and a double click: the second click is an attempt of its own', async () => {
    const { runId, connectUrl } = await waitingRun();
    const { context, page } = await browser.person();
    await page.goto(connectUrl);
    await page.getByRole('link', { name: 'Continue to Slack' }).dblclick();
    await page.getByRole('button', { name: 'Approve' }).waitFor();
    await page.goBack();
    await isHeaded(page, 'Connect Slack');
    await page.getByRole('link', { name: 'Continue to Slack' }).click();
    await page.getByRole('button', { name: 'Approve' }).click();
    await isHeaded(page, 'Slack is connected');
    expect((await api.bellhop.ended(runId, 40_000)).status).toBe('completed');
    await page.goBack();
    await page.goBack();
    await isHeaded(page, 'This link does not work');
    await context.close();
  });

  it('shows a page that looks again by itself, and survives a reload meanwhile', async () => {
    await api.bellhop.sandbox.updateSettings({ activeDelayMs: 600_000 });
    const { userId, runId, connectUrl } = await waitingRun();
    const { context, page } = await browser.person();
    await page.goto(`${connectUrl}/go`);
    await page.getByRole('button', { name: 'Approve' }).click();
    await isHeaded(page, 'Finishing');
    expect(await page.getByRole('status').textContent()).toContain('looks again by itself');
    // It comes again under an address without the state; from there a reload is harmless.
    await page.waitForURL((url) => url.search === '');
    // It reloads itself, for there is no script that could look: what it shows and where the reader is stay the same.
    // Meanwhile it must not: what is looked at would be gone.
    await page.route('**/oauth/callback/**', (route) => route.abort('aborted'));
    await expectAccessible(page, 'finishing', ['meta-refresh']);
    await page.unroute('**/oauth/callback/**');
    await page.reload();
    await isHeaded(page, 'Finishing');
    for (const { id } of await api.bellhop.sandbox.accounts({ userId }))
      await api.bellhop.sandbox.setStatus(id, 'ACTIVE');
    await isHeaded(page, 'Slack is connected');
    expect((await api.bellhop.ended(runId, 40_000)).status).toBe('completed');
    await page.reload();
    await isHeaded(page, 'Slack is connected already');
    await expectAccessible(page, 'already connected');
    await context.close();
  });

  it('says what a refusal means and lets the user try again', async () => {
    const { runId, connectUrl } = await waitingRun();
    const { context, page } = await browser.person();
    await page.goto(`${connectUrl}/go`);
    await page.getByRole('button', { name: 'Deny' }).click();
    await isHeaded(page, 'Slack was not connected');
    await expectAccessible(page, 'denied');
    await page.getByRole('link', { name: 'Try again' }).click();
    await isHeaded(page, 'Connect Slack');
    expect((await statusOf(`/v1/runs/${runId}`)).status).toBe('waiting_for_connection');
    await context.close();
  });
});

describe('a link of the provider that is forwarded to somebody else', () => {
  it('ends on the plain page in the other browser, and nothing is connected', async () => {
    const { userId, runId, connectUrl } = await waitingRun('Mallory');
    const attacker = await browser.person();
    await attacker.page.goto(`${connectUrl}/go`);
    const forwarded = attacker.page.url();
    const victim = await browser.person();
    await victim.page.goto(forwarded);
    await victim.page.getByRole('button', { name: 'Approve' }).click();
    await isHeaded(victim.page, 'This link does not work');
    await expectAccessible(victim.page, 'refused');
    await expect.poll(() => api.bellhop.sandbox.accounts({ userId }), { timeout: 40_000 }).toEqual([]);
    expect((await statusOf(`/v1/runs/${runId}`)).status).toBe('waiting_for_connection');
    // The finished page of one browser is no sign for another: without the cookie a used link is unknown.
    const refused = await victim.page.content();
    await victim.page.goto(`${api.url}/connect/${'x'.repeat(43)}`);
    expect(await victim.page.content()).toBe(refused);
    await attacker.context.close();
    await victim.context.close();
  });
});

describe('the brand', () => {
  it('keeps links and buttons readable whatever colour is configured', () => {
    for (const hex of [
      '#ffffff',
      '#000000',
      '#ffff00',
      '#00ff00',
      '#ff0000',
      '#0000ff',
      '#7f7f7f',
      '#0b5d4e',
    ]) {
      const { light, dark } = accentsOf(hex);
      for (const [accent, paper] of [
        [light, '#faf9f7'],
        [dark, '#232220'],
      ] as const) {
        expect(contrastOf(accent.ink, paper), hex).toBeGreaterThanOrEqual(4.5);
        expect(contrastOf(accent.ink, accent.onIt), hex).toBeGreaterThanOrEqual(4.5);
      }
    }
    expect(contrastOf('#ffffff', '#000000')).toBeCloseTo(21, 5);
  });

  it('refuses a logo that is too large, missing, or of a type that browsers would have to guess', () => {
    const load = (logoPath: string) => () => loadBrand({ name: 'Acme', logoPath, color: null });
    expect(load('/nowhere/logo.svg')).toThrow('cannot be read');
    expect(load(import.meta.filename)).toThrow('.svg, .png or .webp');
    expect(load(`${import.meta.dirname}/connect.test.ts`)).toThrow('BELLHOP_BRAND_LOGO');
  });
});

/** `activeElement` cannot be asked for without script; the focus ring can. */
async function tabToWithoutScript(page: Page, name: string): Promise<void> {
  for (let i = 0; i < 10; i += 1) {
    await page.keyboard.press('Tab');
    if ((await page.getByRole('link', { name }).and(page.locator(':focus')).count()) === 1) return;
  }
  throw new Error(`Tab never came to ${name}`);
}
