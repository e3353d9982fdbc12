import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';
import { startSettled } from './setup/settled-run.ts';
import type { Browser } from './setup/browser.ts';
import { createBrowser } from './setup/browser.ts';

let api: TestApi;
beforeAll(async () => {
  // However late a browser comes back on a busy machine, polling has not accepted its consent before.
  api = await startTestApi({ settings: { callbackGraceMs: 120_000 } });
});
afterAll(async () => await api.close());
afterEach(async () => {
  await api.bellhop.sandbox.clearFaults();
  await api.bellhop.sandbox.updateSettings({ activeDelayMs: 0, dropCallbacks: 0 });
});

async function newUser(fields: object = {}): Promise<string> {
  const userId = `u-${randomUUID()}`;
  await api.call('PUT', `/v1/users/${userId}`, { body: fields });
  return userId;
}
const open = (userId: string, body: object = {}) =>
  api.call('POST', `/v1/users/${userId}/connections`, { body: { app: 'slack', ...body } });
const flowOf = async (flowId: string) => (await api.call('GET', `/v1/connections/${flowId}`)).body;

type Click = {
  flow: { flowId: string; connectUrl: string };
  browser: Browser;
  userId: string;
  provider: string;
};
/** Up to the provider's consent page. */
async function click(userId?: string, flowBody: object = {}): Promise<Click> {
  const id = userId ?? (await newUser());
  const flow = (await open(id, flowBody)).body;
  const browser = createBrowser();
  const { location } = await browser.get(`${flow.connectUrl}/go`);
  return { flow, browser, userId: id, provider: location ?? '' };
}
async function consent(provider: string, decision: 'approve' | 'deny' = 'approve'): Promise<string> {
  const { location } = await api.bellhop.sandbox.consent(provider, decision);
  if (location === null) throw new Error('no way back');
  return location;
}
const INVALID = 'This link does not work';

describe('a connect link', () => {
  it('says which app, for whom, by whom and why, and mints nothing', async () => {
    const userId = await newUser({ displayName: 'Alice <script>' });
    const run = await startSettled(api, { userId, task: 'secret-prompt', tools: ['SLACK_SEND_MESSAGE'] });
    const { connectUrl } = run.waitingFor[0];
    const page = await api.call('GET', new URL(connectUrl).pathname);
    expect(page.status).toBe(200);
    expect(page.text).toContain('Connect Slack');
    expect(page.text).toContain('Alice &lt;script&gt;');
    expect(page.text).toContain('A task waits for it');
    expect(page.text).not.toContain(run.id);
    expect(page.text).toContain(new URL(api.url).host);
    expect(page.text).not.toContain('secret-prompt');
    expect(page.text).not.toContain('<script');
    expect(page.text.match(/class="action"/g)).toHaveLength(1);
    expect(page.text).toContain(`href="${new URL(connectUrl).pathname}/go"`);
    expect(await api.bellhop.sandbox.accounts({ userId })).toEqual([]);
    await api.call('POST', `/v1/runs/${run.id}/cancel`);
  });

  it('is stable: a second call and a waiting run give the same one', async () => {
    const userId = await newUser();
    const [first, second] = [await open(userId), await open(userId)];
    expect([first.status, second.status]).toEqual([201, 200]);
    // A second call may only make the link live longer.
    expect(second.body.expiresAt >= first.body.expiresAt).toBe(true);
    expect({ ...second.body, expiresAt: '' }).toEqual({ ...first.body, expiresAt: '' });
    expect(first.body).toMatchObject({ app: 'slack', status: 'open', accountId: null, lastAttempt: null });
    const run = await startSettled(api, { userId, task: 'x', tools: ['SLACK_SEND_MESSAGE'] });
    expect(run.waitingFor[0].connectUrl).toBe(first.body.connectUrl);
    await api.call('POST', `/v1/runs/${run.id}/cancel`);
  });

  it('opened twice at once is still one flow', async () => {
    const userId = await newUser();
    const answers = await Promise.all(Array.from({ length: 10 }, () => open(userId)));
    expect(new Set(answers.map(({ body }) => body.flowId)).size).toBe(1);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  });

  it('on another host is sent to the public one first, and nothing is minted there', async () => {
    const userId = await newUser();
    const { connectUrl } = (await open(userId)).body;
    const browser = createBrowser();
    const answer = await browser.get(`${connectUrl}/go`, { host: 'other.example' });
    expect([answer.status, answer.location]).toEqual([302, `${connectUrl}/go`]);
    expect(browser.cookies.size).toBe(0);
    expect(await api.bellhop.sandbox.accounts({ userId })).toEqual([]);
    // Behind a proxy that passes its own host on there must be no loop.
    const proxied = await browser.get(`${connectUrl}/go`, {
      host: 'internal',
      'x-forwarded-host': new URL(api.url).host,
    });
    expect(proxied.location).toContain(api.bellhop.sandboxUrl);
  });

  it('clicked more often than a person can is asked to wait, and no more accounts are minted', async () => {
    const userId = await newUser();
    const { connectUrl } = (await open(userId)).body;
    const statuses: number[] = [];
    for (let i = 0; i < 33; i += 1) statuses.push((await createBrowser().get(`${connectUrl}/go`)).status);
    expect(statuses).toEqual([...Array<number>(30).fill(302), 429, 429, 429]);
    expect(await api.bellhop.sandbox.accounts({ userId })).toHaveLength(30);
  });

  it('costs only the attempt when Composio is down at the click', async () => {
    const userId = await newUser();
    const { connectUrl, flowId } = (await open(userId)).body;
    await api.bellhop.sandbox.addFault({
      match: { method: 'POST' },
      action: { type: 'status', status: 503 },
    });
    const failed = await createBrowser().get(`${connectUrl}/go`);
    expect(failed.status).toBe(503);
    expect(failed.text).toContain('Please try again');
    expect(await flowOf(flowId)).toMatchObject({
      status: 'open',
      lastAttempt: { status: 'failed', reason: 'no_link' },
    });
    await api.bellhop.sandbox.clearFaults();
    expect((await createBrowser().get(`${connectUrl}/go`)).status).toBe(302);
  });
});

describe('seed: a consent comes back and what waits goes on', () => {
  it('completes the flow, resumes the run, shows a finished page, and the account is the user’s own', async () => {
    const userId = await newUser();
    const run = await startSettled(api, {
      userId,
      task: 'Tell #general hello',
      tools: ['SLACK_SEND_MESSAGE'],
    });
    expect(run.status).toBe('waiting_for_connection');
    const browser = createBrowser();
    const go = await browser.get(`${run.waitingFor[0].connectUrl}/go`);
    expect(go.status).toBe(302);
    const page = await browser.visit(await consent(go.location ?? ''));
    expect(page.status).toBe(200);
    expect(page.text).toContain('Slack is connected');
    const ended = (await api.bellhop.ended(run.id)).status;
    expect(ended).toBe('completed');
    const [account] = await api.bellhop.sandbox.accounts({ userId });
    expect(account?.status).toBe('ACTIVE');
    expect(await api.bellhop.sandbox.journal({ userId, writesOnly: true })).toMatchObject([
      { accountId: account?.id },
    ]);
  });

  it('stores the account id at the click, and shows the flow as completed at once', async () => {
    const { flow, browser, provider, userId } = await click();
    const [account] = await api.bellhop.sandbox.accounts({ userId });
    expect(await flowOf(flow.flowId)).toMatchObject({
      status: 'open',
      accountId: account?.id,
      lastAttempt: { status: 'open', reason: null },
    });
    await browser.visit(await consent(provider));
    expect(await flowOf(flow.flowId)).toMatchObject({
      status: 'completed',
      accountId: account?.id,
      connectUrl: null,
      lastAttempt: { status: 'accepted' },
    });
    const again = await open(userId);
    expect([again.status, again.body]).toEqual([
      200,
      { app: 'slack', status: 'completed', accountId: account?.id },
    ]);
  });

  it('sends the browser to the return URL, when it is one of ours', async () => {
    const { browser, provider } = await click(undefined, { returnUrl: 'https://app.example/done' });
    expect(await browser.visit(await consent(provider))).toMatchObject({
      status: 302,
      location: 'https://app.example/done',
    });
  });

  it.each([
    'https://app.example/done?x=1',
    'https://app.example/done/',
    'https://evil.example',
    '//app.example/done',
    '/done',
  ])('refuses the return URL %s', async (returnUrl) => {
    const answer = await open(await newUser(), { returnUrl });
    expect([answer.status, answer.body.code]).toEqual([422, 'return_url_not_allowed']);
  });

  it('shows a page that reloads while Composio takes longer than 2 s, and then the finished one', async () => {
    // Not before the test says so, however slow the machine is.
    await api.bellhop.sandbox.updateSettings({ activeDelayMs: 600_000 });
    const { flow, browser, provider, userId } = await click();
    const callback = await consent(provider);
    const page = await browser.get(callback);
    expect(page.status).toBe(200);
    const reload = /http-equiv="refresh" content="2; url=(\/oauth\/callback\/[\w-]+)"/.exec(page.text)?.[1];
    expect(reload).toBe(new URL(callback).pathname);
    expect(page.text).not.toContain('state=');
    // Without the cookie the reloading page shows nothing.
    expect((await createBrowser().get(`${api.url}${reload}`)).text).toContain(INVALID);
    for (const { id } of await api.bellhop.sandbox.accounts({ userId }))
      await api.bellhop.sandbox.setStatus(id, 'ACTIVE');
    expect((await browser.visit(`${api.url}${reload}`)).text).toContain('Slack is connected');
    expect((await flowOf(flow.flowId)).status).toBe('completed');
  });

  it('accepts the other spelling of the account id', async () => {
    const { browser, provider } = await click();
    const callback = (await consent(provider)).replace('connected_account_id=', 'connectedAccountId=');
    expect((await browser.visit(callback)).text).toContain('Slack is connected');
  });

  it('deletes the older account that a flow of ours had opened, when the user reconnects', async () => {
    const first = await click();
    await first.browser.visit(await consent(first.provider));
    const second = await click(first.userId, { reconnect: true });
    expect(second.flow.flowId).not.toBe(first.flow.flowId);
    await second.browser.visit(await consent(second.provider));
    const newest = (await flowOf(second.flow.flowId)).accountId;
    await expect
      .poll(async () => (await api.bellhop.sandbox.accounts({ userId: first.userId })).map(({ id }) => id))
      .toEqual([newest]);
  });
});

describe('a callback that does not hold', () => {
  const signals = async (flowId: string) => {
    const history = await api.bellhop.client.workflow.getHandle(`connect-${flowId}`).fetchHistory();
    return (history.events ?? []).filter(
      (event) => event.workflowExecutionSignaledEventAttributes?.signalName === 'connection-completed',
    ).length;
  };

  it('without the cookie ends the attempt and deletes its account; the flow and its link live on', async () => {
    const { flow, userId, provider } = await click();
    const answer = await createBrowser().get(await consent(provider));
    expect([answer.status, answer.text.includes(INVALID)]).toEqual([400, true]);
    // Whoever was refused was perhaps told so before the rows say it.
    await expect
      .poll(() => flowOf(flow.flowId))
      .toMatchObject({
        status: 'open',
        connectUrl: flow.connectUrl,
        lastAttempt: { status: 'failed', reason: 'other_browser' },
      });
    await expect.poll(() => api.bellhop.sandbox.accounts({ userId })).toEqual([]);
    expect(await signals(flow.flowId)).toBe(0);
    const again = await click(userId);
    expect((await again.browser.visit(await consent(again.provider))).text).toContain('Slack is connected');
  });

  it('with the cookie of another attempt is the same', async () => {
    const [a, b] = [await click(), await click()];
    const answer = await b.browser.get(await consent(a.provider));
    expect(answer.status).toBe(400);
    await expect.poll(async () => (await flowOf(a.flow.flowId)).lastAttempt.status).toBe('failed');
  });

  it('that is a refusal ends the attempt, deletes its account and offers to try again', async () => {
    const { flow, browser, provider, userId } = await click();
    const page = await browser.visit(await consent(provider, 'deny'));
    expect(page.text).toContain('Slack was not connected');
    expect(page.text).toContain(new URL(flow.connectUrl).pathname);
    expect(await flowOf(flow.flowId)).toMatchObject({
      status: 'open',
      lastAttempt: { status: 'failed', reason: 'denied' },
    });
    await expect.poll(() => api.bellhop.sandbox.accounts({ userId })).toEqual([]);
    expect(await signals(flow.flowId)).toBe(0);
  });

  it('that says success although the account is not ACTIVE convinces nobody', async () => {
    const { flow, browser, provider, userId } = await click();
    const [account] = await api.bellhop.sandbox.accounts({ userId });
    const denied = await consent(provider, 'deny');
    const page = await browser.get(denied.replace('status=failed', 'status=success'));
    expect(page.text).not.toContain('is connected');
    expect((await flowOf(flow.flowId)).status).toBe('open');
    expect(account).toBeDefined();
    expect(await signals(flow.flowId)).toBe(0);
  });

  it('used twice is refused the second time, from the same browser too', async () => {
    const { browser, provider } = await click();
    const callback = await consent(provider);
    expect((await browser.visit(callback)).status).toBe(200);
    expect((await browser.get(callback)).status).toBe(400);
    expect((await createBrowser().get(callback)).status).toBe(400);
  });

  it('sent twenty times at once counts once', async () => {
    const { flow, browser, provider } = await click();
    const callback = await consent(provider);
    const pages = await Promise.all(Array.from({ length: 20 }, () => browser.get(callback)));
    expect(pages.filter(({ status }) => status === 200)).toHaveLength(1);
    // The one that counted may have been told "finishing".
    await browser.visit(`${api.url}${new URL(callback).pathname}`);
    expect(await signals(flow.flowId)).toBe(1);
  });

  it('looks the same, byte for byte, whatever is wrong with it, and signals nothing', async () => {
    const { flow, browser, provider } = await click();
    const other = await click();
    const [otherAccount] = await api.bellhop.sandbox.accounts({ userId: other.userId });
    const callback = new URL(await consent(provider));
    const change = (edit: (url: URL) => void) => {
      const url = new URL(callback);
      edit(url);
      return url.href;
    };
    const bad = [
      change((url) => url.searchParams.set('state', 'x')),
      change((url) => url.searchParams.set('state', `${url.searchParams.get('state')}x`)),
      change((url) => url.searchParams.delete('state')).replace(callback.pathname, `${callback.pathname}x`),
      change((url) => url.searchParams.set('connected_account_id', otherAccount?.id ?? '')),
      change((url) => url.searchParams.set('connectedAccountId', 'ca_other')),
      `${callback.href}&state=again`,
      `${callback.href}&x=%00`,
      `${callback.href}&x=%zz`,
      `${api.url}/oauth/callback/nothing?state=x`,
      `${api.url}/oauth/callback/%zz?state=x`,
      `${callback.origin}${callback.pathname}?state=${'x'.repeat(9_000)}`,
      `${api.url}/connect/${'x'.repeat(43)}`,
      `${api.url}/connect/short`,
      `${api.url}/connect/%00`,
      `${api.url}/connect/${'x'.repeat(43)}/go`,
    ];
    const pages = await Promise.all(bad.map((address) => browser.get(address)));
    expect(new Set(pages.map(({ status }) => status))).toEqual(new Set([400]));
    expect(new Set(pages.map(({ text }) => text)).size).toBe(1);
    expect(await signals(flow.flowId)).toBe(0);
    expect((await flowOf(flow.flowId)).status).toBe('open');
    // None of that used the real one up.
    expect((await browser.visit(callback.href)).text).toContain('Slack is connected');
    expect((await browser.get(flow.connectUrl)).text).toBe(pages[0]?.text);
  });

  it('whose account came back with another owner is refused, and that account is left alone', async () => {
    const { flow, browser, provider, userId } = await click();
    const other = await newUser();
    const stranger = await api.bellhop.sandbox.seedAccount({ userId: other, app: 'slack' });
    const callback = new URL(await consent(provider));
    callback.searchParams.set('connected_account_id', stranger.id);
    expect((await browser.get(callback.href)).status).toBe(400);
    expect((await api.bellhop.sandbox.account(stranger.id)).status).toBe('ACTIVE');
    expect((await flowOf(flow.flowId)).status).toBe('open');
    expect((await api.call('GET', `/v1/users/${userId}/connections`)).body.items).not.toMatchObject([
      { accountId: stranger.id },
    ]);
  });
});

describe('what is written down', () => {
  it('holds no connect token, no state, no cookie and no key', async () => {
    const { flow, browser, provider } = await click();
    await browser.get(flow.connectUrl);
    const callback = await consent(provider);
    await browser.visit(callback);
    const text = api.logged();
    const state = new URL(callback).searchParams.get('state') ?? 'missing';
    expect(text).toContain('/connect/[redacted]/go');
    expect(text).toContain('/oauth/callback/');
    for (const secret of [
      flow.connectUrl.split('/').at(-1) ?? 'missing',
      state,
      ...browser.cookies.values(),
      'test-bootstrap-key',
    ]) {
      expect(secret.length).toBeGreaterThan(10);
      expect(text).not.toContain(secret);
    }
  });
});
