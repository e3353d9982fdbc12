/**
 * What jumps on a page: Chromium's own layout shifts, but for those within 500 ms of what the reader did. One shift is the
 * share of the window that moved, times how far; 0.02 is a line of text that makes room for another one, once.
 */
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

const MOST = 0.02;

type Shift = { readonly score: number; readonly what: readonly string[] };

/** Runs in every page before its own scripts. `hadRecentInput`: the reader asked for it. */
export const WATCH_SHIFTS = `(() => {
  const seen = [];
  const box = ({ x, y, width, height }) => [x, y, width, height].map(Math.round).join(' ');
  const take = (entries) => {
    for (const { hadRecentInput, value, sources } of entries)
      if (!hadRecentInput)
        seen.push({
          score: value,
          what: sources.map(({ node, previousRect, currentRect }) =>
            \`\${(node?.parentElement?.outerHTML ?? '?').slice(0, 120)} from \${box(previousRect)} to \${box(currentRect)}\`),
        });
  };
  const observer = new PerformanceObserver((list) => take(list.getEntries()));
  observer.observe({ type: 'layout-shift', buffered: true });
  window.bellhopShifts = async () => {
    // Of a frame that is being made now, too.
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    take(observer.takeRecords());
    return seen.splice(0);
  };
})()`;

/** Since the page was opened, or was looked at last. */
async function takeShifts(page: Page): Promise<readonly Shift[]> {
  return (await page.evaluate('window.bellhopShifts()')) as readonly Shift[];
}

export async function expectStill(page: Page, name: string): Promise<void> {
  const shifts = await takeShifts(page);
  const sum = shifts.reduce((total, { score }) => total + score, 0);
  const what = shifts.flatMap((shift) => shift.what).join('\n');
  expect(sum, `${name}: this jumps:\n${what}`).toBeLessThan(MOST);
}

/** After what a test has done to the page that no reader does. */
export async function forgetShifts(page: Page): Promise<void> {
  await takeShifts(page);
}
