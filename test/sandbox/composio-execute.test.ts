/** The Composio sandbox: execution, its refusals with Composio's codes, and the effect journal. */
import { beforeAll, describe, expect, it } from 'vitest';
import { type Answer, useSandbox } from './composio-harness.ts';

const open = useSandbox();
const MESSAGE = { channel: '#general', text: 'hello' };
let alice: string;
let bob: string;

beforeAll(async () => {
  const [a, b] = await open().control.seedAccounts([
    { userId: 'alice', app: 'slack', accountName: 'alice@work.test' },
    { userId: 'bob', app: 'slack' },
  ]);
  alice = a?.id ?? '';
  bob = b?.id ?? '';
});

const send = (body: object, slug = 'SLACK_SEND_MESSAGE'): Promise<Answer> =>
  open().call('POST', `/tools/execute/${slug}`, body);
const asAlice = (more: object = {}): Promise<Answer> =>
  send({ user_id: 'alice', connected_account_id: alice, arguments: MESSAGE, ...more });
const refusal = ({ status, body }: Answer) => [status, body.error.code, body.error.slug];
const effects = async (): Promise<number> => (await open().control.state()).effects;

/** The refusal, after making sure that the journal did not grow. */
async function refusedWithoutEffect(act: () => Promise<Answer>): Promise<(string | number)[]> {
  const before = await effects();
  const answer = await act();
  expect(await effects()).toBe(before);
  return refusal(answer);
}

describe('a successful execution', () => {
  it('answers data, no error, a log id, and writes one line with owner, user and arguments', async () => {
    const before = await effects();
    const { status, body } = await asAlice({ version: 'latest' });
    expect(status).toBe(200);
    expect(Object.keys(body).sort()).toEqual(['data', 'error', 'log_id', 'session_info', 'successful']);
    expect(body).toMatchObject({
      successful: true,
      error: null,
      data: { ok: true, message: { user: 'alice@work.test' } },
    });
    expect(await open().control.journal({ since: before })).toEqual([
      {
        seq: before + 1,
        at: expect.stringMatching(/Z$/),
        slug: 'SLACK_SEND_MESSAGE',
        toolkit: 'slack',
        accountId: alice,
        accountOwner: 'alice',
        userId: 'alice',
        arguments: MESSAGE,
        logId: body.log_id,
        readOnly: false,
      },
    ]);
  });

  it('picks the newest ACTIVE account of the user when none is named', async () => {
    const before = await effects();
    expect((await send({ user_id: 'bob', arguments: MESSAGE })).body.successful).toBe(true);
    expect((await open().control.journal({ since: before }))[0]).toMatchObject({
      accountId: bob,
      userId: 'bob',
    });
  });

  it('marks reads as reads, and lets a read see what its own account did, not what another did', async () => {
    await asAlice({ arguments: { channel: 'engineering', text: 'seen by alice' } });
    const history = (user_id: string, connected_account_id: string) =>
      send(
        { user_id, connected_account_id, arguments: { channel: '#engineering' } },
        'SLACK_FETCH_CONVERSATION_HISTORY',
      );
    const textsOf = (answer: Answer) => answer.body.data.messages.map((message) => message.text);
    expect(textsOf(await history('alice', alice))).toEqual(['seen by alice']);
    expect(textsOf(await history('bob', bob))).toEqual([]);
    const last = (await open().control.journal()).at(-1);
    expect(last).toMatchObject({ readOnly: true, userId: 'bob' });
    const writes = await open().control.journal({ writesOnly: true, userId: 'bob' });
    expect(writes.every((effect) => effect.slug === 'SLACK_SEND_MESSAGE')).toBe(true);
  });

  it('runs a tool without auth for nobody in particular, without an account', async () => {
    const before = await effects();
    const { body } = await send({ arguments: { query: 'retries' } }, 'HACKERNEWS_SEARCH_POSTS');
    expect(body.data.stories).toHaveLength(1);
    expect((await open().control.journal({ since: before }))[0]).toMatchObject({
      accountId: null,
      readOnly: true,
    });
  });

  it.each([
    ['gmail', 'GMAIL_SEND_EMAIL', { recipient_email: 'a@b.test', subject: 's', body: 'b' }],
    ['gmail', 'GMAIL_FETCH_EMAILS', { query: 'is:unread', max_results: 1 }],
    ['gmail', 'GMAIL_CREATE_EMAIL_DRAFT', { recipient_email: 'a@b.test', subject: 's', body: 'b' }],
    ['github', 'GITHUB_CREATE_ISSUE', { owner: 'o', repo: 'r', title: 't', body: 'b', labels: ['bug'] }],
    ['github', 'GITHUB_LIST_ISSUES', { owner: 'o', repo: 'r' }],
    ['github', 'GITHUB_CREATE_AN_ISSUE_COMMENT', { owner: 'o', repo: 'r', issue_number: 1, body: 'b' }],
    ['notion', 'NOTION_CREATE_PAGE', { parent_id: 'p', title: 't' }],
    ['notion', 'NOTION_SEARCH', { query: '', filter: { value: 'page' } }],
    [
      'googlecalendar',
      'GOOGLECALENDAR_CREATE_EVENT',
      { start_datetime: '2026-11-24T13:00:00', attendees: ['a@b.test'] },
    ],
    ['googlecalendar', 'GOOGLECALENDAR_LIST_EVENTS', {}],
    ['slack', 'SLACK_LIST_CHANNELS', { limit: 2 }],
  ])('runs %s: %s', async (app, slug, args) => {
    const userId = `user-of-${slug}`;
    const { id } = await open().control.seedAccount({ userId, app });
    const { status, body } = await send({ user_id: userId, connected_account_id: id, arguments: args }, slug);
    expect([status, body.successful, body.error]).toEqual([200, true, null]);
    expect(Object.keys(body.data).length).toBeGreaterThan(0);
    expect(await open().control.journal({ userId })).toHaveLength(1);
  });
});

describe('refusals, none of which has an effect', () => {
  it('1812 for an account of another user, whatever its status', async () => {
    const foreign = (connected_account_id: string) => () =>
      send({ user_id: 'alice', connected_account_id, arguments: MESSAGE });
    const expired = await open().control.seedAccount({ userId: 'carol', app: 'slack', status: 'EXPIRED' });
    for (const id of [bob, expired.id]) {
      expect(await refusedWithoutEffect(foreign(id))).toEqual([
        400,
        1812,
        'ActionExecute_ConnectedAccountEntityIdMismatch',
      ]);
    }
  });

  it('1811 without a user', async () => {
    expect(
      await refusedWithoutEffect(() => send({ connected_account_id: alice, arguments: MESSAGE })),
    ).toEqual([400, 1811, 'ActionExecute_ConnectedAccountEntityIdRequired']);
  });

  it('1810 for an account that does not exist, and for a user who has none', async () => {
    const expected = [404, 1810, 'ActionExecute_ConnectedAccountNotFound'];
    expect(await refusedWithoutEffect(() => asAlice({ connected_account_id: 'ca_nope' }))).toEqual(expected);
    expect(await refusedWithoutEffect(() => send({ user_id: 'nobody', arguments: MESSAGE }))).toEqual(
      expected,
    );
  });

  it('410 with code 1820 for an EXPIRED account, in the words that callers look for', async () => {
    const { id } = await open().control.seedAccount({ userId: 'dan', app: 'slack', status: 'EXPIRED' });
    const act = () => send({ user_id: 'dan', connected_account_id: id, arguments: MESSAGE });
    expect(await refusedWithoutEffect(act)).toEqual([410, 1820, 'ActionExecute_ConnectedAccountExpired']);
    expect((await act()).body.error.message).toContain('is in EXPIRED state');
    expect((await send({ user_id: 'dan', arguments: MESSAGE })).status).toBe(410);
  });

  it.each(['INITIALIZING', 'INITIATED', 'FAILED', 'INACTIVE', 'REVOKED'] as const)(
    'an account that is %s',
    async (status) => {
      const { id } = await open().control.seedAccount({ userId: 'eve', app: 'slack', status });
      const act = () => send({ user_id: 'eve', connected_account_id: id, arguments: MESSAGE });
      expect((await refusedWithoutEffect(act))[0]).toBe(422);
    },
  );

  it('a disabled account, one of a disabled auth config, and one of another toolkit', async () => {
    const { control } = open();
    await control.putAuthConfig('ac_disabled', { app: 'slack', disabled: true });
    await control.putAuthConfig('ac_of_slack', { app: 'slack' });
    await control.putAuthConfig('ac_of_gmail', { app: 'gmail' });
    const [disabled, orphan, ...mismatched] = await control.seedAccounts([
      { userId: 'gus', app: 'slack', disabled: true },
      { userId: 'gus', app: 'slack', authConfigId: 'ac_disabled' },
      { userId: 'gus', app: 'gmail' },
      { userId: 'gus', app: 'gmail', authConfigId: 'ac_of_slack' },
      { userId: 'gus', app: 'slack', authConfigId: 'ac_of_gmail' },
    ]);
    const act = (id?: string) => () => send({ user_id: 'gus', connected_account_id: id, arguments: MESSAGE });
    expect((await refusedWithoutEffect(act(disabled?.id)))[0]).toBe(422);
    expect((await refusedWithoutEffect(act(orphan?.id)))[0]).toBe(422);
    expect(mismatched).toHaveLength(3);
    for (const { id } of mismatched) expect((await refusedWithoutEffect(act(id)))[0]).toBe(400);
  });

  it('an unknown tool and an unknown version', async () => {
    const body = { user_id: 'alice', connected_account_id: alice, arguments: MESSAGE };
    expect((await refusedWithoutEffect(() => send(body, 'SLACK_NOPE')))[0]).toBe(404);
    expect((await refusedWithoutEffect(() => asAlice({ version: '19990101_00' })))[0]).toBe(404);
  });

  it.each([
    ['a missing argument', {}, "'channel'"],
    ['a wrong type', { channel: 7 }, 'channel should be a valid string'],
    [
      'a word outside the enum',
      { channel: 'c', text: 't', parse: 'half' },
      'parse should be one of none, full',
    ],
    ['arguments that are no object', [], 'arguments must be an object'],
  ])('%s', async (_what, args, words) => {
    const act = () => asAlice({ arguments: args });
    expect((await refusedWithoutEffect(act))[0]).toBe(400);
    expect((await act()).body.error.message).toContain(words);
  });

  it('checks nested arguments too', async () => {
    const { id } = await open().control.seedAccount({ userId: 'hal', app: 'notion' });
    const act = () =>
      send(
        { user_id: 'hal', connected_account_id: id, arguments: { filter: { value: 'cow' } } },
        'NOTION_SEARCH',
      );
    expect((await refusedWithoutEffect(act))[0]).toBe(400);
  });

  it('a body that is no JSON object', async () => {
    for (const body of ['{', '[]', '"x"', 'null']) {
      expect((await open().call('POST', '/tools/execute/SLACK_SEND_MESSAGE', body)).status).toBe(400);
    }
  });

  it('says successful: false without an effect when the provider refuses, or has dropped the grant', async () => {
    const before = await effects();
    expect((await asAlice({ arguments: { channel: 'c' } })).body).toMatchObject({
      successful: false,
      error: 'no_text',
    });
    const { id } = await open().control.seedAccount({ userId: 'ivy', app: 'slack' });
    await open().control.revokeAtProvider(id);
    const answer = await send({ user_id: 'ivy', connected_account_id: id, arguments: MESSAGE });
    expect([answer.status, answer.body.successful, answer.body.error]).toEqual([200, false, 'token_revoked']);
    expect((await open().call('GET', `/connected_accounts/${id}`)).body.status).toBe('ACTIVE');
    expect(await effects()).toBe(before);
  });

  it.each([
    ['not_connected', 404, 1810],
    ['expired', 410, 1820],
    ['revoked', 200, undefined],
  ] as const)(
    'says %s of an ACTIVE account for as long after its consent as it is told to',
    async (freshFailure, status, code) => {
      const { control, link, call } = open();
      const userId = `fresh-${freshFailure}`;
      const { redirect_url, connected_account_id: id } = await link(userId);
      await control.consent(redirect_url, 'approve');
      const before = await effects();
      const execute = () => send({ user_id: userId, connected_account_id: id, arguments: MESSAGE });
      await control.updateSettings({ freshFailure, freshFailureMs: 600_000 });
      const refused = await execute();
      expect([refused.status, refused.body.error.code]).toEqual([status, code]);
      expect(refused.body.successful).not.toBe(true);
      expect((await call('GET', `/connected_accounts/${id}`)).body.status).toBe('ACTIVE');
      expect(await effects()).toBe(before);
      await control.updateSettings({ freshFailureMs: 0 });
      expect((await execute()).body.successful).toBe(true);
      expect(await effects()).toBe(before + 1);
    },
  );
});

describe('counting', () => {
  it('keeps requests with route, user, slug and status, and never the key', async () => {
    const { control, call } = open();
    const since = (await control.state()).requests.total;
    await asAlice();
    await call('GET', '/connected_accounts?user_ids=alice,bob');
    await call('GET', `/connected_accounts/${bob}`);
    await call('GET', '/tools/NOPE', undefined, { 'x-source': 'js_sdk' });
    const seen = await control.requests({ since });
    expect(seen.map((r) => [r.method, r.route, r.userIds.join('+'), r.slug, r.status])).toEqual([
      ['POST', 'tools.execute', 'alice', 'SLACK_SEND_MESSAGE', 200],
      ['GET', 'accounts.list', 'alice+bob', null, 200],
      ['GET', 'accounts.get', 'bob', null, 200],
      ['GET', 'tools.get', '', 'NOPE', 404],
    ]);
    expect(seen[3]?.headers['x-source']).toBe('js_sdk');
    expect(JSON.stringify(seen)).not.toContain('sandbox-composio-key');
    expect(await control.countRequests({ since, route: 'accounts.list' })).toBe(1);
    expect(await control.countRequests({ since, userId: 'bob' })).toBe(2);
  });

  it('shows a second copy of the key in a header, without its value', async () => {
    const { control, call } = open();
    const since = (await control.state()).requests.total;
    await call('GET', '/tools/NOPE', undefined, { common: '{"X-API-KEY":"sandbox-composio-key"}' });
    expect((await control.requests({ since }))[0]?.headers['common']).toBe('(present)');
  });
});
