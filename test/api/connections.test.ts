import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';
import { startSettled } from './setup/settled-run.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(async () => await api.close());
afterEach(async () => await api.bellhop.sandbox.clearFaults());

async function newUser(): Promise<string> {
  const userId = `u-${randomUUID()}`;
  await api.call('PUT', `/v1/users/${userId}`, { body: {} });
  return userId;
}
const list = (userId: string) => api.call('GET', `/v1/users/${userId}/connections`);
const down = () => api.bellhop.sandbox.addFault({ action: { type: 'status', status: 503 } });

describe('seed: the user’s connections for a settings page', () => {
  it('has app, status, connected at and account id, fresh from Composio, and nobody else’s', async () => {
    const [userId, other] = [await newUser(), await newUser()];
    const slack = await api.bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const gmail = await api.bellhop.sandbox.seedAccount({
      userId,
      app: 'gmail',
      status: 'EXPIRED',
      statusReason: 'refresh failed',
    });
    await api.bellhop.sandbox.seedAccount({ userId: other, app: 'github' });
    const { status, body } = await list(userId);
    expect(status).toBe(200);
    expect(body.stale).toBeUndefined();
    expect(body.items).toMatchObject([
      {
        app: 'gmail',
        status: 'EXPIRED',
        statusReason: 'refresh failed',
        accountId: gmail.id,
        connectedAt: null,
        waitingRuns: [],
      },
      {
        app: 'slack',
        status: 'ACTIVE',
        accountId: slack.id,
        connectedAt: expect.any(String),
        waitingRuns: [],
      },
    ]);
    await api.bellhop.sandbox.setStatus(slack.id, 'REVOKED');
    await api.bellhop.sandbox.deleteAccount(gmail.id);
    expect((await list(userId)).body.items).toMatchObject([
      { app: 'slack', status: 'REVOKED', connectedAt: expect.any(String) },
    ]);
  });

  it('is the stored state with stale: true while Composio is down', async () => {
    const userId = await newUser();
    await api.bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const fresh = (await list(userId)).body;
    await down();
    const stale = await list(userId);
    expect([stale.status, stale.body.stale]).toEqual([200, true]);
    expect(stale.body.items).toEqual(fresh.items);
  });

  it('shows the link and the runs that wait for an app', async () => {
    const userId = await newUser();
    await api.bellhop.sandbox.seedAccount({ userId, app: 'gmail', status: 'EXPIRED' });
    const run = await startSettled(api, { userId, task: 'x', tools: ['GMAIL_SEND_EMAIL'] });
    expect((await list(userId)).body.items).toMatchObject([
      { app: 'gmail', connectUrl: run.waitingFor[0].connectUrl, waitingRuns: [run.id] },
    ]);
    await api.call('POST', `/v1/runs/${run.id}/cancel`);
  });
});

describe('POST /v1/users/{userId}/connections', () => {
  it('counts any ACTIVE account of the entity, wherever it was made', async () => {
    const userId = await newUser();
    const account = await api.bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const answer = await api.call('POST', `/v1/users/${userId}/connections`, { body: { app: 'slack' } });
    expect([answer.status, answer.body]).toEqual([
      200,
      { app: 'slack', status: 'completed', accountId: account.id },
    ]);
    const again = await api.call('POST', `/v1/users/${userId}/connections`, {
      body: { app: 'slack', reconnect: true },
    });
    expect([again.status, again.body.status]).toEqual([201, 'open']);
  });

  it.each([
    ['no_such_app', 422],
    ['Slack', 400],
    ['', 400],
    ['../x', 400],
  ])('for the app %j is %i', async (app, status) => {
    expect(
      (await api.call('POST', `/v1/users/${await newUser()}/connections`, { body: { app } })).status,
    ).toBe(status);
  });

  it('is 503 with Retry-After while Composio is down', async () => {
    const userId = await newUser();
    await down();
    const answer = await api.call('POST', `/v1/users/${userId}/connections`, { body: { app: 'gmail' } });
    expect([answer.status, answer.body.code]).toEqual([503, 'unavailable']);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  });
});

describe('DELETE /v1/users/{userId}/connections/{accountId}', () => {
  it('deletes the account at Composio, and a run that needs it waits for a new one', async () => {
    const userId = await newUser();
    const account = await api.bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const path = `/v1/users/${userId}/connections/${account.id}`;
    expect((await api.call('DELETE', path)).status).toBe(204);
    expect((await list(userId)).body.items).toEqual([]);
    expect((await api.call('DELETE', path)).status).toBe(404);
    const run = await startSettled(api, { userId, task: 'x', tools: ['SLACK_SEND_MESSAGE'] });
    expect(run.status).toBe('waiting_for_connection');
    await api.call('POST', `/v1/runs/${run.id}/cancel`);
  });

  it('of another user’s account is the same 404 as of none, and that account stays', async () => {
    const [userId, other] = [await newUser(), await newUser()];
    const account = await api.bellhop.sandbox.seedAccount({ userId: other, app: 'slack' });
    const foreign = await api.call('DELETE', `/v1/users/${userId}/connections/${account.id}`);
    const unknown = await api.call('DELETE', `/v1/users/${userId}/connections/ca_nothing`);
    expect([foreign.status, unknown.status]).toEqual([404, 404]);
    expect({ ...foreign.body, instance: '' }).toEqual({ ...unknown.body, instance: '' });
    expect((await api.bellhop.sandbox.account(account.id)).status).toBe('ACTIVE');
  });
});
