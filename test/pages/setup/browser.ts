/** A real Chromium for a test file, and what is looked at on every page: axe, no sideways scrolling, nothing that jumps, no error in the console. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';
import { startChromium } from '../../../scripts/chromium.ts';
import { expectStill, forgetShifts, WATCH_SHIFTS } from './shifts.ts';

/** A page on a loaded machine may be late. */
export const PATIENCE_MS = 60_000;
/** A test of these is a dozen pages, each looked at by axe: seconds on an idle machine, minutes on a crowded one. */
export const PAGE_TEST_MS = 240_000;
/** The narrowest that WCAG 2.2 (1.4.10) asks for. */
export const PHONE = { width: 320, height: 640 };
export const DESK = { width: 1_200, height: 850 };

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

type AxeResult = {
  violations: { id: string; help: string; nodes: { html: string; failureSummary: string }[] }[];
};

export type TestBrowser = {
  /** A browser of its own: its own cookies. */
  person(options?: BrowserContextOptions): Promise<{ context: BrowserContext; page: Page }>;
  /** After each test: closes what it left open. @returns what its pages complained about: CSP, exceptions, failed scripts. */
  finish(): Promise<readonly string[]>;
  close(): Promise<void>;
};

export async function startTestBrowser(): Promise<TestBrowser> {
  const browser: Browser = await startChromium();
  const complaints: string[] = [];
  return {
    finish: async () => {
      for (const context of browser.contexts()) await context.close();
      return complaints.splice(0);
    },
    person: async (options = {}) => {
      const context = await browser.newContext({ viewport: DESK, ...options });
      context.setDefaultTimeout(PATIENCE_MS);
      await context.addInitScript(WATCH_SHIFTS);
      const page = await context.newPage();
      page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`));
      page.on('console', (message) => {
        // A page that is refused (4xx) is told in the console too; those are looked at by their tests.
        if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
          complaints.push(`${page.url()}: ${message.text()}`);
      });
      return { context, page };
    },
    close: async () => {
      await browser.close();
    },
  };
}

/** The two schemes differ in colours alone (connect.test.ts holds that), so what is not about colours is looked at once per size. */
const ABOUT_COLORS = { type: 'rule', values: ['color-contrast', 'link-in-text-block'] };
const ALL_RULES = {
  type: 'tag',
  values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
};

/**
 * Nothing has jumped so far; and no finding of axe of WCAG 2.2 A and AA, and no sideways scrolling, on a desk and at 320 px,
 * in light and in dark.
 */
export async function expectGood(page: Page, name: string, except: readonly string[] = []): Promise<void> {
  await expectStill(page, name);
  const size = page.viewportSize() ?? DESK;
  for (const viewport of [DESK, PHONE]) {
    await page.setViewportSize(viewport);
    for (const [colorScheme, runOnly] of [
      ['light', ALL_RULES],
      ['dark', ABOUT_COLORS],
    ] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      const where = `${name}, ${viewport.width} px, ${colorScheme}`;
      expect(await findings(page, runOnly, except), where).toEqual([]);
    }
    const overflow = await page.evaluate(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
    expect(overflow, `${name}, ${viewport.width} px: scrolls sideways`).toBeLessThanOrEqual(0);
  }
  await page.setViewportSize(size);
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: null });
  await forgetShifts(page);
}

async function findings(page: Page, runOnly: object, except: readonly string[]): Promise<string[]> {
  // Evaluated by the debugger, which the page's CSP does not hold for.
  // It is half a megabyte: sent once for a page, not for each look.
  if (!(await page.evaluate('window.axe !== undefined'))) await page.evaluate(`(() => { ${AXE} })()`);
  const options = JSON.stringify({
    runOnly,
    resultTypes: ['violations'],
    // What it would fetch beforehand, style sheets of other hosts and films, is on no page of ours.
    preload: false,
  });
  const { violations } = (await page.evaluate(`window.axe.run(document, ${options})`)) as AxeResult;
  return violations
    .filter(({ id }) => !except.includes(id))
    .flatMap(({ id, help, nodes }) =>
      nodes.map(
        (node) => `${id}: ${help}: ${node.html.slice(0, 160)} (${node.failureSummary.slice(0, 200)})`,
      ),
    );
}

/** Text, as all that runs in the page: this program has no DOM. */
const LABEL_OF_FOCUS = `(({ labels, textContent, ariaLabel }) =>
  [labels?.[0]?.textContent, ariaLabel, textContent].join(' ').replaceAll(/\\s+/g, ' ').trim())(document.activeElement)`;

/** Presses Tab until the element that shows this text, or has this label, has the focus. */
export async function tabTo(page: Page, text: string | RegExp, most = 60): Promise<void> {
  const seen: string[] = [];
  for (let i = 0; i < most; i += 1) {
    await page.keyboard.press('Tab');
    const label = String(await page.evaluate(LABEL_OF_FOCUS));
    seen.push(label.slice(0, 60));
    if (typeof text === 'string' ? label.includes(text) : text.test(label)) return;
  }
  throw new Error(`Tab never came to ${String(text)}: ${seen.join(' | ')}`);
}
