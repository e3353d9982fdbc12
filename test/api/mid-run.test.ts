/** What a caller and a user see of a run whose connection broke while it worked. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { scripted } from '../setup/bellhop.ts';
import { startTestApi, type TestApi } from './setup/api.ts';
import { createBrowser } from './setup/browser.ts';

const PATIENCE_MS = 60_000;
let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

it('says what it waits for, offers one link that mends it, and goes on where it was', async () => {
  const userId = `u-${randomUUID()}`;
  await api.call('PUT', `/v1/users/${userId}`, { body: {} });
  const old = await api.bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  await api.bellhop.sandbox.revokeAtProvider(old.id);
  const args = { channel: 'general', markdown_text: 'the same words' };
  const task = scripted([
    { toolCalls: [{ name: 'SLACK_SEND_MESSAGE', arguments: args }] },
    { content: 'Sent.' },
  ]);
  const accepted = await api.call('POST', '/v1/runs', {
    body: { userId, task, tools: ['SLACK_SEND_MESSAGE'] },
  });
  const { id } = accepted.body;
  await api.bellhop.until(id, (run) => run.status === 'waiting_for_connection', PATIENCE_MS);
  const { body: run } = await api.call('GET', `/v1/runs/${id}`);
  expect(run).toMatchObject({
    status: 'waiting_for_connection',
    waitingFor: [
      {
        app: 'slack',
        reason: 'revoked',
        message: 'Your Slack connection has expired. Please reconnect in Settings > Integrations.',
      },
    ],
    toolCalls: [{ tool: 'SLACK_SEND_MESSAGE', status: 'waiting', arguments: args }],
    usage: { modelCalls: 1 },
  });
  const { connectUrl } = run.waitingFor[0];
  const connections = await api.call('GET', `/v1/users/${userId}/connections`);
  expect(connections.body.items).toMatchObject([{ accountId: old.id, connectUrl, waitingRuns: [id] }]);
  // Connecting again without a word of `reconnect` is the same flow: the account that is listed as ACTIVE does not do.
  const asked = await api.call('POST', `/v1/users/${userId}/connections`, { body: { app: 'slack' } });
  expect([asked.status, asked.body.connectUrl]).toEqual([200, connectUrl]);
  const browser = createBrowser();
  expect((await browser.get(connectUrl)).text).toContain('Reconnect Slack');
  const go = await browser.get(`${connectUrl}/go`);
  const { location } = await api.bellhop.sandbox.consent(go.location ?? '', 'approve');
  expect((await browser.visit(location ?? '')).text).toContain('Slack is connected');
  expect((await api.bellhop.ended(id, PATIENCE_MS)).status).toBe('completed');
  const effects = await api.bellhop.sandbox.journal({ userId });
  expect(effects).toMatchObject([{ arguments: args }]);
  expect(effects[0]?.accountId).not.toBe(old.id);
  const after = (await api.call('GET', `/v1/runs/${id}`)).body;
  expect(after).toMatchObject({
    waitingFor: [],
    toolCalls: [{ status: 'done', accountId: effects[0]?.accountId }],
  });
});
