/** The connect pages in a real browser: the usual way, keyboard alone, Back, reload, double click, two browsers. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { contrastOf, accentsOf } from '../../api/pages/colors.ts';
import { loadBrand, PLAIN_BRAND } from '../../api/brand.ts';
import { logoShape } from '../../api/logo-shape.ts';
import { startTestApi, type TestApi } from '../api/setup/api.ts';
import { startSettled } from '../api/setup/settled-run.ts';
import { expectGood, PAGE_TEST_MS, PHONE, startTestBrowser, type TestBrowser } from './setup/browser.ts';
import { expectStill } from './setup/shifts.ts';

vi.setConfig({ testTimeout: PAGE_TEST_MS });

const LOGO = Buffer.from(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 80 20"><rect width="80" height="20" fill="#0b5d4e"/></svg>',
);

let api: TestApi;
let browser: TestBrowser;
beforeAll(async () => {
  [api, browser] = await Promise.all([
    // No callback is overtaken by polling here.
    startTestApi({
      settings: { pollIntervalMs: 600_000, callbackGraceMs: 600_000 },
      deps: { brand: { ...PLAIN_BRAND, logo: { bytes: LOGO, contentType: 'image/svg+xml', shape: 4 } } },
    }),
    startTestBrowser(),
  ]);
});
afterAll(async () => {
  await browser.close();
  await api.close();
});
afterEach(async () => {
  await api.bellhop.sandbox.updateSettings({ activeDelayMs: 0, dropCallbacks: 0 });
  await api.bellhop.sandbox.clearFaults();
  expect(await browser.finish()).toEqual([]);
});

/** A user whose run waits for Slack. */
async function waitingRun(
  displayName = 'Alice',
): Promise<{ userId: string; runId: string; connectUrl: string }> {
  const userId = `u-${randomUUID().slice(0, 8)}`;
  await api.call('PUT', `/v1/users/${userId}`, { body: { displayName } });
  const run = await startSettled(api, {
    userId,
    task: 'Post "hello" to #general on Slack',
    tools: ['SLACK_SEND_MESSAGE'],
  });
  expect(run.status).toBe('waiting_for_connection');
  return { userId, runId: run.id, connectUrl: run.waitingFor[0].connectUrl };
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
    await expectGood(page, 'connect');
    await page.getByRole('link', { name: 'Continue to Slack' }).click();
    await page.getByRole('button', { name: 'Approve' }).click();
    await isHeaded(page, 'Slack is connected');
    await expectGood(page, 'finished');
    expect((await api.bellhop.ended(runId)).status).toBe('completed');
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
    expect((await api.bellhop.ended(runId)).status).toBe('completed');
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
    expect((await api.bellhop.ended(runId)).status).toBe('completed');
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
    await expectGood(page, 'finishing', ['meta-refresh']);
    await page.unroute('**/oauth/callback/**');
    await page.reload();
    await isHeaded(page, 'Finishing');
    for (const { id } of await api.bellhop.sandbox.accounts({ userId }))
      await api.bellhop.sandbox.setStatus(id, 'ACTIVE');
    await isHeaded(page, 'Slack is connected');
    expect((await api.bellhop.ended(runId)).status).toBe('completed');
    await page.reload();
    await isHeaded(page, 'Slack is connected already');
    await expectGood(page, 'already connected');
    await context.close();
  });

  it('says what a refusal means and lets the user try again', async () => {
    const { runId, connectUrl } = await waitingRun();
    const { context, page } = await browser.person();
    await page.goto(`${connectUrl}/go`);
    await page.getByRole('button', { name: 'Deny' }).click();
    await isHeaded(page, 'Slack was not connected');
    await expectGood(page, 'denied');
    await page.getByRole('link', { name: 'Try again' }).click();
    await isHeaded(page, 'Connect Slack');
    expect((await statusOf(`/v1/runs/${runId}`)).status).toBe('waiting_for_connection');
    await context.close();
  });
});

describe('what is looked at on every page', () => {
  it('sees a banner that comes late, and none that was asked for', async () => {
    const { connectUrl } = await waitingRun();
    const { context, page } = await browser.person();
    await page.goto(connectUrl);
    await expectStill(page, 'connect');
    const banner = "document.body.insertAdjacentHTML('afterbegin', '<p>We have news for you.</p>')";
    await page.evaluate(banner);
    await expect(expectStill(page, 'with a banner')).rejects.toThrow('with a banner: this jumps');
    await page.evaluate(`document.addEventListener('keydown', () => { ${banner} }, { once: true })`);
    await page.keyboard.press('Shift');
    await expectStill(page, 'with a banner that was asked for');
    await context.close();
  });

  it('finds a page as still with a logo that comes late', async () => {
    const { connectUrl } = await waitingRun();
    const { context, page } = await browser.person();
    const held: (() => void)[] = [];
    await page.route('**/assets/logo', async (route) => {
      await new Promise<void>((resolve) => held.push(resolve));
      await route.continue();
    });
    await page.goto(connectUrl, { waitUntil: 'commit' });
    await isHeaded(page, 'Connect Slack');
    await expectStill(page, 'connect, without its logo');
    for (const release of held) release();
    await page.waitForFunction('document.images[0].naturalWidth > 0');
    await expectStill(page, 'connect, with its logo');
    await context.close();
  });

  it('says that something which is needed does not answer', async () => {
    const { connectUrl } = await waitingRun();
    await api.bellhop.sandbox.addFault({
      match: { route: 'accounts.link' },
      action: { type: 'status', status: 503 },
    });
    const { context, page } = await browser.person();
    await page.goto(`${connectUrl}/go`);
    await isHeaded(page, 'Please try again');
    await expectGood(page, 'failure');
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
    await expectGood(victim.page, 'refused');
    await expect.poll(() => api.bellhop.sandbox.accounts({ userId }), { timeout: 60_000 }).toEqual([]);
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

  it('knows how wide a logo is before a browser does', () => {
    const png = Buffer.alloc(40);
    png.writeUInt32BE(300, 16);
    png.writeUInt32BE(100, 20);
    expect(logoShape(png, 'image/png')).toBe(3);
    const webp = (kind: string, write: (bytes: Buffer) => void): Buffer => {
      const bytes = Buffer.alloc(40);
      bytes.write(kind, 12, 'latin1');
      write(bytes);
      return bytes;
    };
    const lossy = webp('VP8 ', (bytes) => void (bytes.writeUInt16LE(200, 26), bytes.writeUInt16LE(100, 28)));
    const lossless = webp('VP8L', (bytes) => void bytes.writeUInt32LE(199 | (99 << 14), 21));
    const extended = webp(
      'VP8X',
      (bytes) => void (bytes.writeUIntLE(199, 24, 3), bytes.writeUIntLE(99, 27, 3)),
    );
    for (const bytes of [lossy, lossless, extended]) expect(logoShape(bytes, 'image/webp')).toBe(2);
    const svg = (attributes: string): number | null =>
      logoShape(Buffer.from(`<?xml version="1.0"?><svg ${attributes}><g/></svg>`), 'image/svg+xml');
    expect(logoShape(LOGO, 'image/svg+xml')).toBe(4);
    expect(svg('stroke-width="9" width="30px" height="10"')).toBe(3);
    expect([svg(''), svg('viewBox="0 0 0 0"'), svg('width="100%"')]).toEqual([null, null, null]);
    expect(logoShape(Buffer.from('GIF'), 'image/png')).toBeNull();
  });

  it('has one layout in light and dark: the style sheets ask for the scheme in colours only', () => {
    for (const sheet of ['../../api/pages/bellhop.css', '../../console/console.css'])
      expect(readFileSync(new URL(sheet, import.meta.url), 'utf8')).not.toContain('prefers-color-scheme');
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
