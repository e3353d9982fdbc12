/** The Composio sandbox: the request limit and its headers. */
import { describe, expect, it } from 'vitest';
import { openHarness, until } from './composio-harness.ts';

const HEADERS = ['x-ratelimit', 'x-ratelimit-remaining', 'x-ratelimit-window-size', 'retry-after'];

describe('the request limit', () => {
  it('counts down over all endpoints, then answers 429 with Retry-After until the window ends', async () => {
    const { sandbox, call, control } = await openHarness({ settings: { rateLimit: 3, rateWindowMs: 400 } });
    const shown = async (path: string) => {
      const answer = await call('GET', path);
      return [answer.status, ...HEADERS.map((name) => answer.headers.get(name))];
    };
    expect(await shown('/toolkits/slack')).toEqual([200, '3', '2', '1s', null]);
    expect(await shown('/connected_accounts')).toEqual([200, '3', '1', '1s', null]);
    expect(await shown('/tools/NOPE')).toEqual([404, '3', '0', '1s', null]);
    expect(await shown('/toolkits/slack')).toEqual([429, '3', '0', '1s', '1']);
    const refused = await call('POST', '/auth_configs', { toolkit: { slug: 'slack' } });
    expect([refused.status, Object.keys(refused.body)]).toEqual([429, ['message']]);
    await until('a new window', async () => (await call('GET', '/toolkits/slack')).status === 200);
    expect((await call('GET', '/auth_configs')).body.items).toEqual([]);
    await control.updateSettings({ rateLimit: 1 });
    expect((await call('GET', '/toolkits/slack')).status).toBe(200);
    expect((await call('GET', '/toolkits/slack')).status).toBe(429);
    await sandbox.close();
  });

  it('does not count requests with a wrong key or of retired versions', async () => {
    const { sandbox, call } = await openHarness({ settings: { rateLimit: 1 } });
    await call('GET', '/toolkits/slack', undefined, { 'x-api-key': 'wrong' });
    await fetch(`${sandbox.url}/api/v1/apps`);
    expect((await call('GET', '/toolkits/slack')).status).toBe(200);
    await sandbox.close();
  });

  it('refuses a setting that it does not know', async () => {
    const { sandbox, control } = await openHarness();
    await expect(control.updateSettings({ ratelimit: 1 } as object)).rejects.toThrow(
      'unknown setting ratelimit',
    );
    await sandbox.close();
  });
});

describe('the control API', () => {
  it('refuses what a web page sends', async () => {
    const { sandbox } = await openHarness();
    const headers = { origin: 'https://evil.test' };
    expect((await fetch(`${sandbox.url}/_sandbox/state`, { headers })).status).toBe(403);
    expect((await fetch(`${sandbox.url}/_sandbox/state`)).status).toBe(200);
    await sandbox.close();
  });

  it('answers 404 to what it does not know, and 400 to what it cannot read', async () => {
    const { sandbox, control } = await openHarness();
    expect((await fetch(`${sandbox.url}/_sandbox/nothing`)).status).toBe(404);
    expect((await fetch(`${sandbox.url}/_sandbox/faults`, { method: 'POST', body: '{' })).status).toBe(400);
    await expect(control.seedAccount({ userId: 'a', app: 'nope' })).rejects.toThrow('unknown app nope');
    await expect(control.account('ca_nope')).rejects.toThrow('404');
    await sandbox.close();
  });
});
