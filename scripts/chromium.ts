/** The machine's own Chromium, headless. Nothing is downloaded: which browser it is, is the machine's choice. */
import { existsSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import { chromium } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
export const HOW_TO_INSTALL =
  'Chromium is not installed: apt-get install -y chromium, or name one by CHROMIUM_PATH';

/** @throws Error that says what to install. */
export async function startChromium(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === null) throw new Error(HOW_TO_INSTALL);
  return await chromium.launch({
    executablePath,
    // Root in a container has no user namespaces, and /dev/shm is small there.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
    // A busy machine takes long to start a browser.
    timeout: 60_000,
  });
}

function findChromium(): string | null {
  const named = process.env['CHROMIUM_PATH'];
  if (named) return existsSync(named) ? named : null;
  return PLACES.find((path) => existsSync(path)) ?? null;
}
