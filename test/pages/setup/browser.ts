/** A real Chromium for a test file, and what is looked at on every page: axe, no sideways scrolling, no error in the console. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';
import { startChromium } from '../../../scripts/chromium.ts';

/** A page on a loaded machine may be late. */
export const PATIENCE_MS = 40_000;
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
  /** What pages have complained about: CSP, exceptions, failed scripts. */
  readonly complaints: readonly string[];
  close(): Promise<void>;
};

export async function startTestBrowser(): Promise<TestBrowser> {
  const browser: Browser = await startChromium();
  const complaints: string[] = [];
  return {
    complaints,
    person: async (options = {}) => {
      const context = await browser.newContext({ viewport: DESK, ...options });
      context.setDefaultTimeout(PATIENCE_MS);
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

/**
 * No finding of axe of WCAG 2.2 A and AA, and no sideways scrolling: at the page's size in light, at 320 px in dark. Both
 * sizes have one layout for both schemes, and both schemes one set of colours for both sizes.
 */
export async function expectAccessible(
  page: Page,
  name: string,
  except: readonly string[] = [],
): Promise<void> {
  const size = page.viewportSize() ?? DESK;
  for (const [viewport, colorScheme] of [
    [size, 'light'],
    [PHONE, 'dark'],
  ] as const) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    const where = `${name}, ${viewport.width} px, ${colorScheme}`;
    expect(await findings(page, except), where).toEqual([]);
    const overflow = await page.evaluate(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
    expect(overflow, `${where}: scrolls sideways`).toBeLessThanOrEqual(0);
  }
  await page.setViewportSize(size);
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: null });
}

async function findings(page: Page, except: readonly string[]): Promise<string[]> {
  // Evaluated by the debugger, which the page's CSP does not hold for.
  await page.evaluate(`window.axe ?? (() => { ${AXE} })()`);
  const options = JSON.stringify({
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    resultTypes: ['violations'],
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
