/** A callback that comes after polling has accepted its consent: the cookie decides whether the consent stays. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';
import { createBrowser } from './setup/browser.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(async () => await api.close());

/** Somebody clicks and consents, and does not come back before polling has seen it. */
async function comeLate() {
  const userId = `u-${randomUUID()}`;
  await api.call('PUT', `/v1/users/${userId}`, { body: {} });
  const flow = (await api.call('POST', `/v1/users/${userId}/connections`, { body: { app: 'slack' } })).body;
  const flowOf = async () => (await api.call('GET', `/v1/connections/${flow.flowId}`)).body;
  const browser = createBrowser();
  const go = await browser.get(`${flow.connectUrl}/go`);
  const { location } = await api.bellhop.sandbox.consent(go.location ?? '', 'approve');
  await expect.poll(async () => (await flowOf()).status).toBe('completed');
  return { userId, browser, flowOf, callback: location ?? '' };
}

it('without the cookie takes the consent back', async () => {
  const { userId, flowOf, callback } = await comeLate();
  expect((await createBrowser().get(callback)).status).toBe(400);
  // Whoever was refused was perhaps told so before the rows say it.
  await expect
    .poll(async () => (await flowOf()).lastAttempt)
    .toEqual({ status: 'failed', reason: 'other_browser' });
  await expect.poll(() => api.bellhop.sandbox.accounts({ userId })).toEqual([]);
});

it('with the cookie finds the consent accepted', async () => {
  const { userId, browser, callback } = await comeLate();
  expect((await browser.visit(callback)).text).toContain('Slack is connected');
  expect((await createBrowser().get(callback)).status).toBe(400);
  expect(await api.bellhop.sandbox.accounts({ userId })).toMatchObject([{ status: 'ACTIVE' }]);
});
