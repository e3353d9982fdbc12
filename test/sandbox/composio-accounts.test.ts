/** The Composio sandbox: auth configs, connected accounts, their filters, pages and changes. */
import { beforeAll, describe, expect, it } from 'vitest';
import { openHarness, useSandbox, type Wire } from './composio-harness.ts';

const open = useSandbox();
const idsOf = (body: Wire): string[] => body.items.map((item) => item.id);

describe('auth configs', () => {
  it('has none at first, makes a managed one, and lists the newest first', async () => {
    const { sandbox, call } = await openHarness();
    expect((await call('GET', '/auth_configs?toolkit_slug=slack')).body).toMatchObject({
      items: [],
      total_items: 0,
    });
    const first = await call('POST', '/auth_configs', {
      toolkit: { slug: 'SLACK' },
      auth_config: { type: 'use_composio_managed_auth', name: 'one' },
    });
    expect(first.status).toBe(201);
    expect(first.body).toMatchObject({
      toolkit: { slug: 'slack' },
      auth_config: { id: expect.stringMatching(/^ac_/), auth_scheme: 'OAUTH2', is_composio_managed: true },
    });
    const second = await call('POST', '/auth_configs', { toolkit: { slug: 'slack' } });
    await call('POST', '/auth_configs', { toolkit: { slug: 'gmail' } });
    expect(idsOf((await call('GET', '/auth_configs?toolkit_slug=SLACK')).body)).toEqual([
      second.body.auth_config.id,
      first.body.auth_config.id,
    ]);
    expect((await call('GET', `/auth_configs/${first.body.auth_config.id}`)).body).toMatchObject({
      name: 'one',
      status: 'ENABLED',
      toolkit: { slug: 'slack' },
    });
    await sandbox.close();
  });

  it('refuses an unknown toolkit, one without auth, and an unknown id', async () => {
    const { call } = open();
    expect((await call('POST', '/auth_configs', { toolkit: { slug: 'nope' } })).status).toBe(404);
    expect((await call('POST', '/auth_configs', { toolkit: { slug: 'hackernews' } })).status).toBe(400);
    expect((await call('POST', '/auth_configs', {})).status).toBe(400);
    expect((await call('GET', '/auth_configs/ac_nope')).status).toBe(404);
  });
});

describe('listing accounts', () => {
  const list = useSandbox();
  let byUser: Record<string, string>;
  beforeAll(async () => {
    const made = await list().control.seedAccounts([
      { userId: 'alice', app: 'slack', createdAt: '2026-01-01T00:00:00.000Z' },
      {
        userId: 'bob',
        app: 'gmail',
        status: 'EXPIRED',
        statusReason: 'refresh failed',
        createdAt: '2026-01-02T00:00:00.000Z',
      },
      { userId: 'carol', app: 'slack', status: 'FAILED', createdAt: '2026-01-03T00:00:00.000Z' },
      { userId: 'dave', app: 'github', status: 'REVOKED', createdAt: '2026-01-04T00:00:00.000Z' },
    ]);
    byUser = Object.fromEntries(made.map((account) => [account.userId, account.id]));
  });
  const usersOf = (body: Wire): string[] => body.items.map((item) => item.user_id);

  it('shows an account in the v3.1 shape, with masked tokens', async () => {
    const { body } = await list().call('GET', '/connected_accounts?user_ids=bob');
    expect(body.items).toHaveLength(1);
    expect(body.items[0]).toMatchObject({
      id: byUser['bob'],
      user_id: 'bob',
      status: 'EXPIRED',
      status_reason: 'refresh failed',
      toolkit: { slug: 'gmail' },
      auth_config: { auth_scheme: 'OAUTH2', is_composio_managed: true, is_disabled: false },
      is_disabled: false,
      state: {
        authScheme: 'OAUTH2',
        val: { status: 'EXPIRED', access_token: expect.stringMatching(/^.{4}\.\.\.$/) },
      },
      alias: null,
      created_at: '2026-01-02T00:00:00.000Z',
    });
    expect(Object.keys(body.items[0] ?? {})).toEqual(
      expect.arrayContaining(['data', 'word_id', 'updated_at']),
    );
    expect((await list().call('GET', `/connected_accounts/${byUser['bob']}`)).body).toEqual(body.items[0]);
  });

  it.each([
    ['user_ids=alice,bob', ['bob', 'alice']],
    ['user_ids=alice&user_ids=bob', ['bob', 'alice']],
    ['statuses=EXPIRED,FAILED,REVOKED', ['dave', 'carol', 'bob']],
    ['toolkit_slugs=SLACK', ['carol', 'alice']],
    ['toolkit_slugs=slack,github&statuses=ACTIVE', ['alice']],
    ['user_ids=alice,carol&statuses=FAILED', ['carol']],
    ['user_ids=nobody', []],
    ['user_ids=', []],
    ['order_by=created_at&order_direction=asc', ['alice', 'bob', 'carol', 'dave']],
    ['order_by=updated_at', ['dave', 'carol', 'bob', 'alice']],
    ['limit=9999', ['dave', 'carol', 'bob', 'alice']],
  ])('filters and orders by %s', async (query, users) => {
    const { status, body } = await list().call('GET', `/connected_accounts?${query}`);
    expect(status).toBe(200);
    expect(usersOf(body)).toEqual(users);
    expect(body.total_items).toBe(users.length);
  });

  it('filters by account id and by auth config id', async () => {
    const { body } = await list().call(
      'GET',
      `/connected_accounts?connected_account_ids=${byUser['carol']},ca_none`,
    );
    expect(usersOf(body)).toEqual(['carol']);
    const config = body.items[0]?.auth_config.id;
    expect(usersOf((await list().call('GET', `/connected_accounts?auth_config_ids=${config}`)).body)).toEqual(
      ['carol', 'alice'],
    );
  });

  it.each(['statuses=DEAD', 'limit=0', 'limit=x', 'order_by=name', 'order_direction=up', 'cursor=garbage'])(
    'refuses %s with 400',
    async (query) => {
      expect((await list().call('GET', `/connected_accounts?${query}`)).status).toBe(400);
    },
  );

  it('reads the newest change first with order_by=updated_at', async () => {
    await list().control.setStatus(byUser['alice'] ?? '', 'INACTIVE');
    expect(usersOf((await list().call('GET', '/connected_accounts?order_by=updated_at')).body)[0]).toBe(
      'alice',
    );
  });
});

describe('pages of accounts', () => {
  it('walks 1,003 accounts in pages of 100, each once, with accounts of one instant among them', async () => {
    const { sandbox, control, call } = await openHarness();
    await control.seedSeries({
      count: 1003,
      userIdPrefix: 'u',
      app: 'slack',
      every: 10,
      everyStatus: 'EXPIRED',
    });
    const seen: string[] = [];
    let cursor = '';
    let pages = 0;
    do {
      const { body } = await call('GET', `/connected_accounts?limit=100${cursor && `&cursor=${cursor}`}`);
      pages += 1;
      expect(body.current_page).toBe(pages);
      expect(body.total_items).toBe(1003);
      seen.push(...idsOf(body));
      cursor = body.next_cursor ?? '';
    } while (cursor);
    expect([pages, seen.length, new Set(seen).size]).toEqual([11, 1003, 1003]);
    expect((await call('GET', '/connected_accounts?statuses=EXPIRED&limit=1')).body.total_items).toBe(101);
    await sandbox.close();
  });

  it('neither hides nor repeats an account when others come and go between two pages', async () => {
    const { sandbox, control, call } = await openHarness();
    const made = await control.seedAccounts(
      Array.from({ length: 6 }, (_, n) => ({
        userId: `u${n}`,
        app: 'slack',
        createdAt: `2026-01-0${n + 1}T00:00:00.000Z`,
      })),
    );
    const first = await call('GET', '/connected_accounts?limit=3&order_direction=asc');
    await control.deleteAccount(made[0]?.id ?? '');
    await control.seedAccount({ userId: 'early', app: 'slack', createdAt: '2025-01-01T00:00:00.000Z' });
    const second = await call(
      'GET',
      `/connected_accounts?limit=3&order_direction=asc&cursor=${first.body.next_cursor}`,
    );
    expect(second.body.items.map((item) => item.user_id)).toEqual(['u3', 'u4', 'u5']);
    expect(second.body.next_cursor).toBeNull();
    await sandbox.close();
  });

  it('gives no page longer than the server allows, whatever is asked', async () => {
    const { sandbox, control, call } = await openHarness({ settings: { maxPageSize: 2 } });
    await control.seedSeries({ count: 5, userIdPrefix: 'u', app: 'slack' });
    const { body } = await call('GET', '/connected_accounts?limit=100');
    expect([body.items.length, body.total_pages, typeof body.next_cursor]).toEqual([2, 3, 'string']);
    await sandbox.close();
  });
});

describe('changing accounts', () => {
  const seeded = async (status: 'ACTIVE' | 'INITIATED' = 'ACTIVE'): Promise<string> =>
    (await open().control.seedAccount({ userId: 'erin', app: 'notion', status })).id;

  it('deletes once; afterwards 404 for reading and deleting', async () => {
    const id = await seeded();
    expect((await open().call('DELETE', `/connected_accounts/${id}`)).body).toEqual({ success: true });
    expect((await open().call('DELETE', `/connected_accounts/${id}`)).status).toBe(404);
    expect((await open().call('GET', `/connected_accounts/${id}`)).body.error.status).toBe(404);
  });

  it('disables and enables', async () => {
    const id = await seeded();
    await open().call('PATCH', `/connected_accounts/${id}/status`, { enabled: false });
    expect((await open().call('GET', `/connected_accounts/${id}`)).body).toMatchObject({
      status: 'INACTIVE',
      is_disabled: true,
    });
    await open().call('PATCH', `/connected_accounts/${id}/status`, { enabled: true });
    expect((await open().call('GET', `/connected_accounts/${id}`)).body).toMatchObject({
      status: 'ACTIVE',
      is_disabled: false,
    });
    expect((await open().call('PATCH', `/connected_accounts/${id}/status`, {})).status).toBe(400);
  });

  it('turns an ACTIVE account into INITIATED on refresh, with a link that mends it', async () => {
    const id = await seeded();
    const { body } = await open().call('POST', `/connected_accounts/${id}/refresh`);
    expect(body).toMatchObject({
      id,
      status: 'INITIATED',
      redirect_url: expect.stringContaining('/link/lk_'),
    });
    await open().control.consent(body.redirect_url, 'approve');
    expect((await open().control.account(id)).status).toBe('ACTIVE');
  });

  it('shows an account once, under its new status only, after a change, and no more after its deletion', async () => {
    const { control, call } = open();
    const { id } = await control.seedAccount({ userId: 'faye', app: 'github' });
    await control.setStatus(id, 'EXPIRED', 'refresh failed');
    const list = async (query: string) =>
      idsOf((await call('GET', `/connected_accounts?${query}&toolkit_slugs=github`)).body);
    expect(await list('statuses=ACTIVE,EXPIRED')).toEqual([id]);
    expect(await list('statuses=EXPIRED')).toEqual([id]);
    expect(await list('statuses=ACTIVE')).toEqual([]);
    await control.deleteAccount(id);
    expect(await list('statuses=EXPIRED')).toEqual([]);
    expect(await list('user_ids=faye')).toEqual([]);
    expect(await list('order_by=created_at')).toEqual([]);
  });

  it('revokes', async () => {
    const id = await seeded();
    expect((await open().call('POST', `/connected_accounts/${id}/revoke`)).body.status).toBe('REVOKED');
    expect((await open().control.account(id)).status).toBe('REVOKED');
  });
});
