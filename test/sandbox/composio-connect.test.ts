/** The Composio sandbox: links, the consent page, what comes back, and what does not. */
import { describe, expect, it } from 'vitest';
import { CALLBACK, openHarness, until, useSandbox } from './composio-harness.ts';

const open = useSandbox();

describe('minting a link', () => {
  it('answers 201 with token, address, ten minutes and an INITIATED account', async () => {
    const before = Date.now();
    const link = await open().link('alice');
    expect(Object.keys(link).sort()).toEqual([
      'connected_account_id',
      'expires_at',
      'link_token',
      'redirect_url',
    ]);
    expect(link.link_token).toMatch(/^lk_/);
    expect(link.redirect_url).toBe(`${open().sandbox.url}/link/${link.link_token}`);
    const life = Date.parse(link.expires_at) - before;
    expect(life).toBeGreaterThanOrEqual(600_000);
    expect(life).toBeLessThan(605_000);
    const account = await open().call('GET', `/connected_accounts/${link.connected_account_id}`);
    expect(account.body).toMatchObject({ status: 'INITIATED', user_id: 'alice', toolkit: { slug: 'slack' } });
    expect(JSON.stringify(account.body)).not.toContain('access_token');
  });

  it('refuses an unknown or disabled auth config, a missing user and a callback that is no web address', async () => {
    const { call, control } = open();
    await control.putAuthConfig('ac_off', { app: 'slack', disabled: true });
    await control.putAuthConfig('ac_on', { app: 'slack' });
    const link = (body: object) => call('POST', '/connected_accounts/link', body);
    expect((await link({ auth_config_id: 'ac_nope', user_id: 'a' })).status).toBe(404);
    expect((await link({ auth_config_id: 'ac_off', user_id: 'a' })).status).toBe(400);
    expect((await link({ auth_config_id: 'ac_on' })).status).toBe(400);
    expect((await link({ user_id: 'a' })).status).toBe(400);
    const callback_url = 'javascript:alert(1)';
    expect((await link({ auth_config_id: 'ac_on', user_id: 'a', callback_url })).status).toBe(400);
    expect(await control.accounts({ userId: 'a' })).toEqual([]);
  });

  it('refuses the older call for managed OAuth with code 600 and makes no account', async () => {
    const { call, control } = open();
    await control.putAuthConfig('ac_managed', { app: 'gmail' });
    const answer = await call('POST', '/connected_accounts', {
      auth_config: { id: 'ac_managed' },
      connection: { user_id: 'frank', callback_url: CALLBACK },
    });
    expect([answer.status, answer.body.error.code, answer.body.error.slug]).toEqual([
      400,
      600,
      'ConnectedAccount_BadRequest',
    ]);
    expect(await control.accounts({ userId: 'frank' })).toEqual([]);
  });

  it('connects at once with an API key, and by the older callback names with custom OAuth', async () => {
    const { call, control } = open();
    const make = async (authScheme: string) =>
      (
        await call('POST', '/auth_configs', {
          toolkit: { slug: 'notion' },
          auth_config: { type: 'use_custom_auth', authScheme },
        })
      ).body.auth_config.id as string;
    const withKey = await call('POST', '/connected_accounts', {
      auth_config: { id: await make('API_KEY') },
      connection: { user_id: 'gina', state: { authScheme: 'API_KEY', val: { api_key: 'k' } } },
    });
    expect(withKey.body.connectionData).toEqual({ authScheme: 'API_KEY', val: { status: 'ACTIVE' } });
    const oauth = await call('POST', '/connected_accounts', {
      auth_config: { id: await make('OAUTH2') },
      connection: { user_id: 'gina', callback_url: 'http://127.0.0.1:9/cb' },
    });
    const back = await control.consent(oauth.body.connectionData.val.redirectUrl, 'approve');
    expect(back.location).toBe(
      `http://127.0.0.1:9/cb?status=success&connectedAccountId=${oauth.body.id}&appName=notion`,
    );
  });
});

describe('the consent page', () => {
  it('names app, user and permissions, has two plain buttons and no script, and escapes the user', async () => {
    const link = await open().link('<b>mallory</b>');
    const page = await fetch(link.redirect_url);
    const html = await page.text();
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(html).toContain('Connect your Slack account');
    expect(html).toContain('Send messages as you');
    expect(html).toContain('<label for="account">');
    expect(html.match(/<button/g)).toHaveLength(2);
    expect(html).not.toMatch(/<script/i);
    expect(html).not.toContain('<b>mallory</b>');
    expect(html).toContain('&lt;b&gt;mallory&lt;/b&gt;');
  });

  it('approves: the account is ACTIVE under the given name before the browser is sent back', async () => {
    const { link, control } = open();
    const { redirect_url, connected_account_id: id } = await link('alice');
    const back = await control.consent(redirect_url, 'approve', 'alice@work.test');
    expect(back.status).toBe(302);
    expect(back.location).toBe(`${CALLBACK}&status=success&connected_account_id=${id}`);
    expect(await control.account(id)).toMatchObject({
      status: 'ACTIVE',
      accountName: 'alice@work.test',
      userId: 'alice',
    });
  });

  it('keeps the fragment of a callback last, and starts a query where there is none', async () => {
    const { link, control } = open();
    const { redirect_url, connected_account_id: id } = await link(
      'alice',
      'slack',
      'http://127.0.0.1:9/cb#top',
    );
    const back = await control.consent(redirect_url, 'approve');
    expect(back.location).toBe(`http://127.0.0.1:9/cb?status=success&connected_account_id=${id}#top`);
  });

  it('denies: the account is FAILED and the browser is told so', async () => {
    const { link, control } = open();
    const { redirect_url, connected_account_id: id } = await link('alice');
    const back = await control.consent(redirect_url, 'deny');
    expect(back.location).toBe(`${CALLBACK}&status=failed&connected_account_id=${id}`);
    expect((await control.account(id)).status).toBe('FAILED');
  });

  it('shows an end page when the link has no callback', async () => {
    const { link, control } = open();
    const back = await control.consent((await link('alice', 'slack', null)).redirect_url, 'approve');
    expect([back.status, back.location]).toEqual([200, null]);
    expect(back.page).toContain('Slack is connected');
  });

  it('answers 410 to a used, an unknown and an expired link, and changes nothing', async () => {
    const { link, control, sandbox } = open();
    const used = await link('alice');
    await control.consent(used.redirect_url, 'deny');
    const expired = await link('alice');
    expect(await control.expireLink(expired.connected_account_id)).toBe(1);
    for (const address of [used.redirect_url, expired.redirect_url, `${sandbox.url}/link/lk_unknown`]) {
      expect((await fetch(address)).status).toBe(410);
      expect((await control.consent(address, 'approve')).status).toBe(410);
    }
    expect((await control.account(used.connected_account_id)).status).toBe('FAILED');
    expect((await control.account(expired.connected_account_id)).status).toBe('INITIATED');
  });

  it('answers 400 to a form without a decision and leaves the link usable', async () => {
    const { link, control } = open();
    const { redirect_url } = await link('alice');
    const answer = await fetch(redirect_url, {
      method: 'POST',
      body: new URLSearchParams({ decision: 'maybe' }),
    });
    expect(answer.status).toBe(400);
    expect((await control.consent(redirect_url, 'approve')).status).toBe(302);
  });
});

describe('ways a consent can go astray', () => {
  it('stays INITIATED for the configured time before it is ACTIVE', async () => {
    const { sandbox, control, link } = await openHarness({ settings: { activeDelayMs: 150 } });
    const { redirect_url, connected_account_id: id } = await link('alice');
    expect((await control.consent(redirect_url, 'approve')).status).toBe(302);
    expect((await control.account(id)).status).toBe('INITIATED');
    await until('ACTIVE', async () => (await control.account(id)).status === 'ACTIVE');
    await sandbox.close();
  });

  it('loses as many callbacks as ordered, while the consent holds', async () => {
    const { sandbox, control, link } = await openHarness({ settings: { dropCallbacks: 1 } });
    const lost = await link('alice');
    const back = await control.consent(lost.redirect_url, 'approve');
    expect([back.status, back.location]).toEqual([200, null]);
    expect((await control.account(lost.connected_account_id)).status).toBe('ACTIVE');
    expect((await control.consent((await link('bob')).redirect_url, 'approve')).status).toBe(302);
    await sandbox.close();
  });

  it('lets links run out, and the account with them when told so', async () => {
    const { sandbox, control, link } = await openHarness({
      settings: { linkTtlMs: 30, unfinishedBecomes: 'EXPIRED' },
    });
    const { redirect_url, connected_account_id: id } = await link('alice');
    await until('EXPIRED', async () => (await control.account(id)).status === 'EXPIRED');
    expect((await fetch(redirect_url)).status).toBe(410);
    await sandbox.close();
  });

  it('waits for complete_auth in verifier mode, and fails the account of a wrong user', async () => {
    const { sandbox, control, link, call } = await openHarness({ settings: { callbackVerifier: true } });
    const sessionOf = async (redirectUrl: string): Promise<string> =>
      new URL((await control.consent(redirectUrl, 'approve')).location ?? '').searchParams.get(
        'session_uri',
      ) ?? '';
    const right = await link('alice');
    const session_uri = await sessionOf(right.redirect_url);
    expect((await control.account(right.connected_account_id)).status).toBe('INITIATED');
    const complete = (user_id: string, uri: string) =>
      call('POST', '/connected_accounts/complete_auth', { user_id, session_uri: uri });
    expect((await complete('alice', session_uri)).body).toMatchObject({
      connected_account_id: right.connected_account_id,
    });
    expect((await control.account(right.connected_account_id)).status).toBe('ACTIVE');
    expect((await complete('alice', session_uri)).status).toBe(400);
    const wrong = await link('alice');
    expect((await complete('bob', await sessionOf(wrong.redirect_url))).status).toBe(403);
    expect((await control.account(wrong.connected_account_id)).status).toBe('FAILED');
    await sandbox.close();
  });
});
