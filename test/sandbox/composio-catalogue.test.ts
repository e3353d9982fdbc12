/** The Composio sandbox: key, retired versions, tools and toolkits. */
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { allTools } from '../../sandbox/composio/catalogue/catalogue.ts';
import { caller, useSandbox, type Wire } from './composio-harness.ts';

const open = useSandbox();
const RETIRED = { error: 'This endpoint is no longer available. Please upgrade to v3 APIs.' };

describe('versions and keys', () => {
  it.each(['/api/v1/connectedAccounts', '/api/v2/actions?actions=X', '/api/v1', '/api/v2/anything/at/all'])(
    'answers 410 on %s, with or without a key',
    async (path) => {
      const call = caller(open().sandbox.url, '');
      for (const key of ['sandbox-composio-key', 'wrong']) {
        for (const method of ['GET', 'POST']) {
          const answer = await call(method, path, method === 'POST' ? {} : undefined, { 'x-api-key': key });
          expect([answer.status, answer.body]).toEqual([410, RETIRED]);
        }
      }
    },
  );

  it('refuses a wrong, an empty and a missing key with 401 in the error envelope', async () => {
    for (const headers of [{ 'x-api-key': 'wrong' }, { 'x-api-key': '' }, {}]) {
      const response = await fetch(`${open().sandbox.url}/api/v3.1/tools`, { headers });
      const body = (await response.json()) as Wire;
      expect(response.status).toBe(401);
      expect(Object.keys(body.error).sort()).toEqual([
        'code',
        'message',
        'request_id',
        'slug',
        'status',
        'suggested_fix',
      ]);
      expect(body.error.status).toBe(401);
    }
  });

  it('answers the same on /api/v3 and /api/v3.1, but for the default tool version', async () => {
    const old = caller(open().sandbox.url, '/api/v3');
    expect((await old('GET', '/tools/SLACK_SEND_MESSAGE')).body.version).toBe('00000000_00');
    expect((await open().call('GET', '/tools/SLACK_SEND_MESSAGE')).body.version).toBe('20261101_00');
    expect((await old('GET', '/toolkits/slack')).body).toEqual(
      (await open().call('GET', '/toolkits/slack')).body,
    );
  });

  it('answers 404 in the envelope for a path that is no route', async () => {
    const answer = await open().call('GET', '/nothing/here');
    expect([answer.status, answer.body.error.status]).toEqual([404, 404]);
  });
});

describe('tools', () => {
  const ITEM_KEYS =
    'available_versions deprecated description human_description input_parameters is_deprecated name no_auth output_parameters scopes slug tags toolkit version';

  it('lists the asked slugs in the v3.1 shape and leaves unknown ones out', async () => {
    const { status, body } = await open().call(
      'GET',
      '/tools?tool_slugs=SLACK_SEND_MESSAGE,NOPE,GMAIL_FETCH_EMAILS&limit=9999&toolkit_versions=latest',
    );
    expect(status).toBe(200);
    expect(body.items.map((item) => item.slug)).toEqual(['SLACK_SEND_MESSAGE', 'GMAIL_FETCH_EMAILS']);
    expect(
      Object.keys(body.items[0] ?? {})
        .sort()
        .join(' '),
    ).toBe(ITEM_KEYS);
    expect(body.items[0]?.toolkit).toMatchObject({ slug: 'slack', name: 'Slack' });
    expect(body.items[0]?.available_versions).toContain(body.items[0]?.version);
    expect({ ...body, items: [] }).toEqual({
      items: [],
      next_cursor: null,
      total_items: 2,
      total_pages: 1,
      current_page: 1,
    });
  });

  it('pages through all tools without gap or repetition', async () => {
    const seen: string[] = [];
    let cursor: string | null = '0';
    while (cursor !== null) {
      const page: Wire = (await open().call('GET', `/tools?limit=4&cursor=${cursor}`)).body;
      expect(page.items.length).toBeLessThanOrEqual(4);
      seen.push(...page.items.map((item) => item.slug));
      cursor = page.next_cursor;
    }
    expect(seen).toEqual([...allTools()].map((tool) => tool.definition.slug));
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('has each promised tool, a read and a write per app, and a hint on every tool', async () => {
    const { body } = await open().call('GET', '/tools?limit=1000');
    const slugs: string[] = body.items.map((item) => item.slug);
    expect(slugs).toEqual(
      expect.arrayContaining([
        'SLACK_SEND_MESSAGE',
        'SLACK_LIST_CHANNELS',
        'GMAIL_SEND_EMAIL',
        'GMAIL_FETCH_EMAILS',
        'GITHUB_CREATE_ISSUE',
        'GITHUB_LIST_ISSUES',
        'NOTION_CREATE_PAGE',
        'NOTION_SEARCH',
        'GOOGLECALENDAR_CREATE_EVENT',
        'GOOGLECALENDAR_LIST_EVENTS',
      ]),
    );
    for (const item of body.items) {
      const isRead = item.tags.includes('readOnlyHint');
      expect(isRead).toBe(/_(LIST|FETCH|SEARCH|GET)/.test(item.slug));
      expect(item.tags).toContain('openWorldHint');
      expect(item.no_auth).toBe(item.toolkit.slug === 'hackernews');
    }
  });

  it('has input schemas that a strict JSON Schema compiler takes, one with a file argument', () => {
    const ajv = new Ajv({ strict: true, keywords: ['file_uploadable'], formats: { email: true } });
    for (const { definition } of allTools()) expect(() => ajv.compile(definition.input)).not.toThrow();
    const files = [...allTools()].filter(({ definition }) =>
      JSON.stringify(definition.input).includes('file_uploadable'),
    );
    expect(files.map(({ definition }) => definition.slug)).toContain('SLACK_UPLOAD_FILE');
  });

  it('gets one tool by slug in any case, and answers 404 for an unknown slug or version', async () => {
    const { call } = open();
    expect((await call('GET', '/tools/slack_send_message')).body.slug).toBe('SLACK_SEND_MESSAGE');
    expect((await call('GET', '/tools/SLACK_SEND_MESSAGE?version=20260915_00')).body.version).toBe(
      '20260915_00',
    );
    expect((await call('GET', '/tools/SLACK_NOPE')).body.error).toMatchObject({
      status: 404,
      slug: 'Tool_ToolNotFound',
    });
    expect((await call('GET', '/tools/SLACK_SEND_MESSAGE?version=19990101_00')).status).toBe(404);
  });

  it('refuses a limit that is no positive number', async () => {
    for (const limit of ['0', '-1', 'x', '1.5']) {
      expect((await open().call('GET', `/tools?limit=${limit}`)).status).toBe(400);
    }
  });
});

describe('toolkits', () => {
  it('describes a toolkit, in any case of its slug, and tells the one without auth', async () => {
    const { call } = open();
    const gmail = (await call('GET', '/toolkits/GMAIL')).body;
    expect(gmail).toMatchObject({ slug: 'gmail', name: 'Gmail', composio_managed_auth_schemes: ['OAUTH2'] });
    expect(gmail.auth_config_details[0]?.mode).toBe('OAUTH2');
    const hackernews = (await call('GET', '/toolkits/hackernews')).body;
    expect(hackernews.auth_config_details[0]?.mode).toBe('NO_AUTH');
    expect(hackernews.composio_managed_auth_schemes).toEqual([]);
    expect(hackernews).not.toHaveProperty('no_auth');
    expect((await call('GET', '/toolkits/nope')).status).toBe(404);
  });
});
