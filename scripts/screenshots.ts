/**
 * Screenshots of every page for people, into docs/pages: `npm run screenshots`. A whole Bellhop on free ports with its
 * sandboxes, and the machine's Chromium. To be looked at by a person after a change of a page; nothing compares them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { createApiClient } from '../sandbox/demo/api-client.ts';
import { createSandboxControl } from '../sandbox/composio/control.ts';
import { standardErrorOutput } from '../sandbox/progress.ts';
import { startBellhop } from '../sandbox/start/bellhop.ts';
import type { RunningBellhop } from '../sandbox/start/bellhop.ts';
import { buildConsole } from './build-console.ts';
import { startChromium } from './chromium.ts';

const OUTPUT = join(import.meta.dirname, '..', 'docs', 'pages');
const DESK = { width: 1_100, height: 760 };
const PHONE = { width: 360, height: 720 };
/** Live parts have settled, times say "just now". */
const SETTLE_MS = 700;

type Shoot = (page: Page, name: string) => Promise<void>;
const shoot: Shoot = async (page, name) => {
  await page.waitForTimeout(SETTLE_MS);
  await page.screenshot({ path: join(OUTPUT, `${name}.png`), animations: 'disabled', caret: 'hide' });
  console.log(`docs/pages/${name}.png`);
};

async function main(): Promise<void> {
  await buildConsole();
  const dataDir = mkdtempSync(join(tmpdir(), 'bellhop-screenshots-'));
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) =>
      ['PATH', 'HOME', 'TMPDIR', 'BELLHOP_CACHE_DIR'].includes(name),
    ),
  );
  const bellhop = await startBellhop({
    env: { ...env, PORT: '0', BELLHOP_BRAND_NAME: 'Acme' },
    dataDir,
    log: () => undefined,
    output: standardErrorOutput(),
  });
  const browser = await startChromium();
  try {
    await shootConsole(browser, bellhop);
    await shootUserPages(browser, bellhop);
  } finally {
    await browser.close();
    await bellhop.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function shootUserPages(browser: Browser, bellhop: RunningBellhop): Promise<void> {
  const api = createApiClient(bellhop.apiUrl, bellhop.apiKey);
  const sandbox = createSandboxControl(bellhop.composioUrl ?? '');
  await api.putUser('bob', { displayName: 'Bob Example' });
  await sandbox.seedAccount({ userId: 'bob', app: 'gmail', status: 'EXPIRED' });
  await sandbox.seedAccount({ userId: 'bob', app: 'github', status: 'ACTIVE' });
  const run = await api.startRun({
    userId: 'bob',
    task: 'Post the weekly numbers to #general on Slack',
    tools: ['SLACK_SEND_MESSAGE'],
  });
  const link = async (): Promise<string> => {
    const answer = await fetch(`${bellhop.apiUrl}/v1/users/bob/portal-links`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bellhop.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ apps: ['notion'] }),
    });
    return ((await answer.json()) as { url: string }).url;
  };
  for (const [suffix, options] of [
    ['', { viewport: DESK }],
    ['-phone-dark', { viewport: PHONE, colorScheme: 'dark', deviceScaleFactor: 2 }],
  ] as const) {
    const page = await (await browser.newContext(options)).newPage();
    const settings = await link();
    await page.goto(settings);
    await shoot(page, `settings${suffix}`);
    if (suffix === '') {
      const other = await (await browser.newContext({ viewport: PHONE, deviceScaleFactor: 2 })).newPage();
      await other.goto(settings);
      await shoot(other, 'settings-used');
    }
    await page.goto(run.waitingFor[0]?.connectUrl ?? '');
    await shoot(page, `connect${suffix}`);
  }
  const page = await (await browser.newContext({ viewport: PHONE, deviceScaleFactor: 2 })).newPage();
  await page.goto(`${run.waitingFor[0]?.connectUrl}/go`);
  await page.getByRole('button', { name: 'Deny' }).click();
  await shoot(page, 'connect-denied');
  await sandbox.updateSettings({ activeDelayMs: 600_000 });
  await page.goto(`${run.waitingFor[0]?.connectUrl}/go`);
  await page.getByRole('button', { name: 'Approve' }).click();
  await page.getByText('looks again by itself').waitFor();
  await shoot(page, 'connect-finishing');
  for (const account of await sandbox.accounts({ userId: 'bob' }))
    if (account.app === 'slack') await sandbox.setStatus(account.id, 'ACTIVE');
  await page.getByText('Slack is connected').first().waitFor();
  await shoot(page, 'connect-finished');
  await page.reload();
  await page.getByText('is connected already').first().waitFor();
  await shoot(page, 'connect-already');
  await page.goto(`${bellhop.apiUrl}/connect/${'x'.repeat(43)}`);
  await shoot(page, 'connect-refused');
}

async function shootConsole(browser: Browser, bellhop: RunningBellhop): Promise<void> {
  const context = await browser.newContext({ viewport: DESK });
  const page = await context.newPage();
  const open = (path: string) => page.goto(`${bellhop.apiUrl}/console${path}`);
  await open('/runs');
  await page.getByLabel('API key').waitFor();
  await shoot(page, 'console-sign-in');
  await page.getByLabel('API key').fill(bellhop.apiKey);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('No runs yet').waitFor();
  await shoot(page, 'console-runs-empty');
  await open('/try');
  await page.getByRole('button', { name: 'Start the run' }).waitFor();
  await shoot(page, 'console-try-it');
  await page.getByRole('button', { name: 'Start the run' }).click();
  await page.getByText('Waits for a connection').waitFor();
  await shoot(page, 'console-run-waits');
  const connect = page.getByRole('link', { name: 'Open the connect page' });
  const other = await context.newPage();
  await other.goto(`${await connect.getAttribute('href')}/go`);
  await other.getByRole('button', { name: 'Approve' }).click();
  await other.getByText('Slack is connected').first().waitFor();
  await page.locator('.run-head').getByText('Completed').waitFor();
  await page.locator('summary', { hasText: 'SLACK_SEND_MESSAGE' }).click();
  await shoot(page, 'console-run-completed');

  const sandbox = createSandboxControl(bellhop.composioUrl ?? '');
  await sandbox.seedAccount({ userId: 'alice', app: 'gmail', status: 'ACTIVE' });
  await open('/try');
  await page.getByRole('button', { name: 'Mail, after approval' }).click();
  await page.getByRole('button', { name: 'Start the run' }).click();
  await page.getByRole('button', { name: 'Approve' }).waitFor();
  await shoot(page, 'console-run-approval');
  await open('/runs');
  await page.getByText('Waits for approval').last().waitFor();
  await shoot(page, 'console-runs');
  await open('/users/alice');
  await page.getByText('Gmail').waitFor();
  await shoot(page, 'console-user');
  await open('/users');
  await page.getByText('alice').first().waitFor();
  await shoot(page, 'console-users');
  await open('/audits');
  await page.getByRole('button', { name: 'Start an audit' }).click();
  await page.locator('.audits .status').getByText('Completed').first().waitFor();
  await shoot(page, 'console-audits');
  await open('/deliveries');
  await page.getByText('Nothing was sent yet').waitFor();
  await shoot(page, 'console-deliveries-empty');
  await page.setViewportSize(PHONE);
  await page.emulateMedia({ colorScheme: 'dark' });
  await open('/runs');
  await page.getByText('Waits for approval').last().waitFor();
  await shoot(page, 'console-runs-phone-dark');
  await context.close();
}

await main();
