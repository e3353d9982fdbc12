/** What the connect flow says to a browser over https: the cookie, where it is sent, and what it does not believe of a request. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KEY, send, startTestApi, type TestApi } from '../api/setup/api.ts';
import { createBrowser } from '../api/setup/browser.ts';
import { type AttackStage, createStage, PATIENCE } from './stage.ts';

const NEVER_MS = 600_000;
const PUBLIC_URL = 'https://bellhop.example';
const HOST = { host: 'bellhop.example' };
const RETURN_URL = 'https://app.example:8443/done?from=Bellhop';

let api: TestApi;
let stage: AttackStage;
const returnUrls = [RETURN_URL, 'https://app.example/taken-away'];
beforeAll(async () => {
  api = await startTestApi({
    publicUrl: PUBLIC_URL,
    settings: { pollIntervalMs: NEVER_MS, callbackGraceMs: NEVER_MS },
    connect: { returnUrls },
  });
  stage = createStage(api);
});
afterAll(() => api.close());

const goPath = (connectUrl: string): string => `${new URL(connectUrl).pathname}/go`;
const get = (path: string, headers: Record<string, string | string[]>) =>
  send(api.url, 'GET', path, { headers });
const pathOf = (address: string): string => {
  const { pathname, search } = new URL(address);
  return pathname + search;
};

describe('the attempt’s cookie', () => {
  test('over https has the __Host- prefix and what that asks for: Secure, Path=/, no Domain; HttpOnly, Lax, twelve minutes', async () => {
    const target = await stage.target();
    const { headers } = await get(goPath(target.connectUrl), HOST);
    const cookies = [headers['set-cookie'] ?? []].flat();
    expect(cookies).toHaveLength(1);
    const [pair = '', ...attributes] = (cookies[0] ?? '').split('; ');
    expect(pair).toMatch(/^__Host-bellhop-[\w-]+=[\w-]{43}$/);
    expect(attributes.toSorted()).toEqual(['HttpOnly', 'Max-Age=720', 'Path=/', 'SameSite=Lax', 'Secure']);
  });

  test.each<[string, (name: string, secret: string) => string]>([
    [
      'under its plain name, which any host could have set',
      (name, secret) => `${name.replace('__Host-', '')}=${secret}`,
    ],
    ['under the __Secure- prefix', (name, secret) => `${name.replace('__Host-', '__Secure-')}=${secret}`],
    ['under its name in lower case', (name, secret) => `${name.toLowerCase()}=${secret}`],
    [
      'with a changed value',
      (name, secret) => `${name}=${secret.slice(0, -1)}${secret.endsWith('A') ? 'B' : 'A'}`,
    ],
    ['with a longer value', (name, secret) => `${name}=${secret}A`],
    ['with an empty value', (name) => `${name}=`],
    ['as a part of another cookie’s value', (name, secret) => `other=${name}=${secret}`],
  ])('%s does not count: the attempt ends and its account is deleted', async (_, make) => {
    const target = await stage.target();
    const click = await stage.click(target);
    const [[name, secret] = ['', '']] = click.browser.cookies;
    expect(name).toMatch(/^__Host-/);
    const answer = await get(pathOf(await stage.consent(click)), { ...HOST, cookie: make(name, secret) });
    expect(answer.status).toBe(400);
    await stage.expectHarmless(target, [[click, 'failed', 'other_browser']]);
    await expect.poll(() => stage.accountsOf(target), PATIENCE).toEqual([]);
  });

  test('counts beside others, and a planted one of the same name before it does not shadow it', async () => {
    const click = await stage.click(await stage.target());
    const [[name, secret] = ['', '']] = click.browser.cookies;
    const cookie = `a=b; ${name}=planted; ${name}=${secret}; c=d`;
    expect((await get(pathOf(await stage.consent(click)), { ...HOST, cookie })).status).toBe(200);
    await expect.poll(async () => (await stage.attemptOf(click.attemptId)).status, PATIENCE).toBe('accepted');
  });
});

describe('a request on another host than PUBLIC_URL’s', () => {
  test.each([
    'evil.example',
    'bellhop.example.evil.example',
    'evil.example:443',
    'bellhop.example@evil.example',
    '127.0.0.1',
  ])(
    'a click at %s is sent to the public address first: no cookie, nothing minted, and never back to that host',
    async (host) => {
      const target = await stage.target();
      const answer = await get(goPath(target.connectUrl), { host });
      expect([answer.status, answer.headers['location']]).toEqual([302, `${target.connectUrl}/go`]);
      expect(answer.headers['set-cookie']).toBeUndefined();
      expect(await stage.attempts(target)).toEqual([]);
      await expect.poll(() => stage.accountsOf(target), PATIENCE).toEqual([]);
    },
  );

  test('changes no address that is made: the callback that Composio is told is at the public one', async () => {
    const target = await stage.target();
    const forwarded = { host: 'internal:8080', 'x-forwarded-host': 'bellhop.example' };
    const { headers } = await get(goPath(target.connectUrl), forwarded);
    const { location } = await api.bellhop.sandbox.consent(String(headers['location']), 'approve');
    expect(location).toMatch(/^https:\/\/bellhop\.example\/oauth\/callback\/[\w-]+\?state=[\w-]{43}&/);
    const evil = { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' };
    const created = await send(api.url, 'POST', `/v1/users/${target.userId}/connections`, {
      body: { app: 'slack' },
      headers: { authorization: `Bearer ${KEY}`, ...evil },
    });
    expect(JSON.parse(created.text)).toMatchObject({ connectUrl: target.connectUrl });
  });
});

describe('a return URL', () => {
  const open = async (returnUrl: string, userId?: string) =>
    api.call('POST', `/v1/users/${userId ?? (await stage.newUser())}/connections`, {
      body: { app: 'slack', returnUrl },
    });

  test.each([
    'https://app.example:8443/done?from=Bellho',
    'https://app.example:8443/done?from=Bellhop&x=1',
    'https://app.example:8443/done?from=Bellhop/',
    'https://app.example:8443/done?from=Bellhop#x',
    'https://app.example:8443/done?from=bellhop',
    'https://app.example:8443/Done?from=Bellhop',
    'https://APP.example:8443/done?from=Bellhop',
    'HTTPS://app.example:8443/done?from=Bellhop',
    'https://app.example:8444/done?from=Bellhop',
    'https://app.example/done?from=Bellhop',
    'http://app.example:8443/done?from=Bellhop',
    'https://user@app.example:8443/done?from=Bellhop',
    'https://app.example:8443@evil.example/done?from=Bellhop',
    'https://app.example.:8443/done?from=Bellhop',
    'https://app.example.evil.example:8443/done?from=Bellhop',
    'https://evil.example/?https://app.example:8443/done?from=Bellhop',
    'https://app.example:8443/x/../done?from=Bellhop',
    'https://app.example:8443\\@evil.example/done?from=Bellhop',
    ' https://app.example:8443/done?from=Bellhop',
    'https://app.example:8443/done?from=Bellhop ',
    'https://app.example:8443/done?from=Bellhop\r\nSet-Cookie: a=b',
    'https://app.example:8443/done?from=Bellhop\nLocation: https://evil.example',
    'https://app.example:8443/done?from=Bellhop,https://app.example/taken-away',
    'javascript:alert(1)',
    'data:text/html,x',
    '//app.example:8443/done?from=Bellhop',
    '/done',
    '',
  ])('that is not one of the list to the letter is refused, and no flow is opened: %j', async (returnUrl) => {
    const userId = await stage.newUser();
    const answer = await open(returnUrl, userId);
    expect([answer.status, answer.body.code]).toEqual([422, 'return_url_not_allowed']);
    expect(answer.headers['set-cookie']).toBeUndefined();
    // Had it been opened, this would be a second call for it.
    expect((await open(RETURN_URL, userId)).status).toBe(201);
  });

  test('of the list is where the browser goes, unchanged; one that was taken off the list meanwhile is not', async () => {
    for (const [returnUrl, isStillListed] of [
      [RETURN_URL, true],
      ['https://app.example/taken-away', false],
    ] as const) {
      const userId = await stage.newUser();
      const flow = (await open(returnUrl, userId)).body;
      if (!isStillListed) returnUrls.splice(returnUrls.indexOf(returnUrl), 1);
      const browser = createBrowser();
      const go = await stage.visit(browser, `${flow.connectUrl}/go`);
      const { location } = await api.bellhop.sandbox.consent(go.location ?? '', 'approve');
      const page = await stage.visit(browser, location ?? '');
      expect([page.status, page.location]).toEqual(isStillListed ? [302, returnUrl] : [200, null]);
    }
  });

  test('in the callback’s or the click’s own query is not read', async () => {
    const target = await stage.target();
    const evil = 'returnUrl=https%3A%2F%2Fevil.example&redirect_uri=https%3A%2F%2Fevil.example';
    const browser = createBrowser();
    const go = await stage.visit(browser, `${target.connectUrl}/go?${evil}`);
    expect(go.location).not.toContain('evil.example');
    const { location } = await api.bellhop.sandbox.consent(go.location ?? '', 'approve');
    const page = await stage.visit(browser, `${location}&${evil}`);
    expect([page.status, page.location]).toEqual([200, null]);
    expect(page.text).not.toContain('evil.example');
  });
});

test('every page of the flow may not be framed, scripted, cached, or tell its address to another site', async () => {
  const target = await stage.target();
  const click = await stage.click(target);
  const callback = await stage.consent(click);
  const pages = [
    await stage.visit(click.browser, target.connectUrl),
    await stage.visit(createBrowser(), `${PUBLIC_URL}/oauth/callback/unknown?state=x`),
    await stage.visit(click.browser, callback),
  ];
  for (const { headers, text } of pages) {
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    });
    expect(headers['content-security-policy']).toMatch(/default-src 'none';.*frame-ancestors 'none'/);
    expect(headers['strict-transport-security']).toBeDefined();
    expect(text).not.toMatch(/<script|onerror=|state=/i);
  }
});
