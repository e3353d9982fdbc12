/** The console on a test Bellhop: built from the very source, with a receiver of notices, and a browser. */
import { randomUUID } from 'node:crypto';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { CONSOLE_FOLDER } from '../../../api/console/console-files.ts';
import { buildConsole } from '../../../scripts/build-console.ts';
import { KEY, startTestApi, type TestApi } from '../../api/setup/api.ts';
import { type Receiver, startReceiver } from '../../setup/receiver.ts';
import { startTestBrowser, type TestBrowser } from './browser.ts';

export const TEMPORAL_UI = 'http://temporal.example:8233';

export type ConsoleStage = {
  readonly api: TestApi;
  readonly browser: TestBrowser;
  readonly receiver: Receiver;
  newUser(apps?: readonly string[]): Promise<string>;
  start(body: object): Promise<string>;
  /** A page of an operator who has signed in. */
  signedIn(path?: string): Promise<Page>;
  close(): Promise<void>;
};

export async function startConsole(): Promise<ConsoleStage> {
  await buildConsole();
  const receiver = await startReceiver();
  const [api, browser] = await Promise.all([
    startTestApi({
      settings: { webhook: { url: receiver.url, secret: 'whsec_c2VjcmV0' } },
      deps: {
        console: {
          folder: CONSOLE_FOLDER,
          tryIt: true,
          temporalUi: { url: TEMPORAL_UI, namespace: 'default' },
        },
      },
    }),
    startTestBrowser(),
  ]);
  return {
    api,
    browser,
    receiver,
    newUser: async (apps = []) => {
      const userId = `u-${randomUUID().slice(0, 8)}`;
      await api.call('PUT', `/v1/users/${userId}`, { body: {} });
      for (const app of apps) await api.bellhop.sandbox.seedAccount({ userId, app });
      return userId;
    },
    start: async (body) => {
      const { status, body: run } = await api.call('POST', '/v1/runs', { body });
      expect(status).toBe(202);
      return run.id as string;
    },
    signedIn: async (path = '/console') => {
      const { page } = await browser.person();
      await page.goto(`${api.url}${path}`);
      await page.getByLabel('API key').fill(KEY);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('navigation', { name: 'Console' }).waitFor();
      return page;
    },
    close: async () => {
      await browser.close();
      await api.close();
      await receiver.close();
    },
  };
}

export const statusOf = (page: Page) => page.locator('.run-head .status');
/** The state of the run that the page shows, without a reload. */
export const isNow = async (page: Page, status: string): Promise<void> =>
  await statusOf(page).getByText(status, { exact: true }).waitFor();
