/** POST /v1/webhooks/composio: whose word is taken, over which bytes, how old, and how often. Signed by another implementation. */
import { createHmac, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asSystem } from '../../db/scope.ts';
import { pruneWebhookEvents } from '../../db/webhook-events.ts';
import type { TestApi } from './setup/api.ts';
import { send, startTestApi } from './setup/api.ts';
import { expectProblem, expectUnharmed } from './setup/operations.ts';

const PATH = '/v1/webhooks/composio';
const EXPIRED = 'composio.connected_account.expired';
const NEW = 'whsec_not+base64/at all';
const OLD = 'the-old-secret';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ noWorker: true, webhookSecrets: [NEW, OLD] });
});
afterAll(async () => {
  await expectUnharmed(api);
  await api.close();
});

const newId = (): string => `msg_${randomUUID()}`;
const expired = (data: object = {}): string =>
  JSON.stringify({ type: EXPIRED, data: { id: `ca_${randomUUID()}`, user_id: 'alice', ...data } });
const nowS = (): number => Math.floor(Date.now() / 1_000);

type Order = {
  readonly body?: string | Buffer;
  readonly id?: string;
  readonly at?: number;
  readonly secret?: string;
  /** Instead of the right ones. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly to?: TestApi;
};
const sign = (secret: string, id: string, at: number, body: string | Buffer): string =>
  new Webhook(secret, { format: 'raw' }).sign(id, new Date(at * 1_000), body);
const post = ({
  body = expired(),
  id = newId(),
  at = nowS(),
  secret = NEW,
  headers = {},
  to = api,
}: Order = {}) =>
  to.call('POST', PATH, {
    body,
    headers: {
      authorization: undefined,
      'webhook-id': id,
      'webhook-timestamp': String(at),
      'webhook-signature': sign(secret, id, at, body),
      ...headers,
    },
  });

type Row = {
  id: string;
  type: string;
  account_id: string | null;
  named_user: string | null;
  outcome: string | null;
};
const rowOf = async (id: string): Promise<Row | undefined> =>
  asSystem(api.bellhop.db, (tx) =>
    tx.selectFrom('webhook_events').selectAll().where('id', '=', id).executeTakeFirst(),
  );
const countRows = async (): Promise<number> =>
  asSystem(
    api.bellhop.db,
    async (tx) => (await tx.selectFrom('webhook_events').select('id').execute()).length,
  );

describe('an event that Composio signed', () => {
  it('is 202 and written down: what it is about, and nothing else that it says', async () => {
    const id = newId();
    const body = expired({ id: 'ca_1', status: 'EXPIRED', status_reason: 'secret reason' });
    const answer = await post({ id, body });
    expect([answer.status, answer.body]).toEqual([202, { status: 'accepted' }]);
    expect(await rowOf(id)).toMatchObject({
      type: EXPIRED,
      account_id: 'ca_1',
      named_user: 'alice',
      outcome: null,
    });
    expect(JSON.stringify(await rowOf(id))).not.toContain('secret reason');
    expect(api.logged()).not.toContain('secret reason');
  });

  it('with either of two secrets, alone or among signatures of others, is 202', async () => {
    for (const secret of [NEW, OLD]) expect((await post({ secret })).status).toBe(202);
    const [id, at, body] = [newId(), nowS(), expired()];
    const mine = sign(OLD, id, at, body);
    const signature = `v2,AAAA v1,${'A'.repeat(43)}= v1a,xyz ${mine} v1,`;
    expect((await post({ id, at, body, headers: { 'webhook-signature': signature } })).status).toBe(202);
  });

  it.each([
    ['text/plain'],
    ['application/json; charset=latin1'],
    ['application/vnd.composio+json'],
    [undefined],
  ])('is 202 whatever it calls itself (%s)', async (type) => {
    expect((await post({ headers: { 'content-type': type } })).status).toBe(202);
  });

  it('of 256 kB is 202, of one byte more 413', async () => {
    const fill = (bytes: number): string => {
      const empty = expired({ fill: '' });
      return empty.replace('"fill":""', `"fill":"${'x'.repeat(bytes - Buffer.byteLength(empty))}"`);
    };
    expect((await post({ body: fill(256 * 1024) })).status).toBe(202);
    expectProblem(await post({ body: fill(256 * 1024 + 1) }), 413);
  });

  it('that came before is 200 and changes nothing, also with another body, another time and the other secret', async () => {
    const id = newId();
    expect((await post({ id })).status).toBe(202);
    const before = await rowOf(id);
    for (const order of [{}, { body: expired({ id: 'ca_other' }) }, { at: nowS() - 100 }, { secret: OLD }]) {
      const answer = await post({ id, ...order });
      expect([answer.status, answer.body]).toEqual([200, { status: 'known' }]);
    }
    expect(await rowOf(id)).toEqual(before);
  });

  it('that comes twenty times in one moment is taken once', async () => {
    const id = newId();
    const answers = await Promise.all(Array.from({ length: 20 }, () => post({ id })));
    const taken = answers.filter(({ status }) => status === 202);
    expect([taken.length, new Set(answers.map(({ status }) => status))]).toEqual([1, new Set([202, 200])]);
  });

  it.each([
    'composio.trigger.message',
    'composio.trigger.disabled',
    'something.else',
    `odd\0\ud800${'x'.repeat(500)}`,
  ])('of type %j is 202 and nothing to look into, whatever its shape', async (type) => {
    for (const data of [undefined, null, [], { id: 7, user_id: {} }]) {
      const id = newId();
      const answer = await post({ id, body: JSON.stringify({ type, data }) });
      expect([answer.status, answer.body]).toEqual([202, { status: 'ignored' }]);
      expect(await rowOf(id)).toMatchObject({ account_id: null, named_user: null, outcome: 'ignored' });
      expect((await post({ id })).status).toBe(200);
    }
  });

  it('whose user is left out, or is none that could be, is taken without one', async () => {
    for (const user_id of [undefined, null, 7, '', 'default', 'a/b', 'x'.repeat(129), 'a\0']) {
      const id = newId();
      expect((await post({ id, body: expired({ user_id }) })).status).toBe(202);
      expect((await rowOf(id))?.named_user).toBeNull();
    }
  });
});

describe('an event that is signed and no event', () => {
  it.each<[string, string | Buffer]>([
    ['no JSON', '{"type":'],
    ['nothing', ''],
    ['a list', '[]'],
    ['null', 'null'],
    ['a text', '"composio"'],
    ['without a type', '{"data":{}}'],
    ['with a type that is no text', '{"type":1}'],
    ['of an account without an id', JSON.stringify({ type: EXPIRED, data: {} })],
    ['of no account', JSON.stringify({ type: EXPIRED })],
    ['of an account whose id climbs', expired({ id: '..' })],
    ['of an account whose id is a path', expired({ id: 'a/../../tools' })],
    ['of an account whose id holds NUL', expired({ id: 'a\0' })],
    ['of an account whose id is endless', expired({ id: 'a'.repeat(201) })],
  ])('(%s) is 400 and not remembered: sent again rightly, it is taken', async (_name, body) => {
    const id = newId();
    expectProblem(await post({ id, body }), 400);
    expect(await rowOf(id)).toBeUndefined();
    expect((await post({ id })).status).toBe(202);
  });

  it('in bytes that are no UTF-8 is 400', async () => {
    const [id, at] = [newId(), nowS()];
    const body = Buffer.concat([Buffer.from('{"type":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
    const hmac = createHmac('sha256', NEW).update(`${id}.${at}.`).update(body).digest('base64');
    const headers = { 'webhook-signature': `v1,${hmac}` };
    expectProblem(await post({ id, at, body, headers }), 400);
  });
});

describe('an event that Composio did not sign', () => {
  const refused: [string, (body: string) => Order][] = [
    [
      'without any header',
      () => ({
        headers: { 'webhook-id': undefined, 'webhook-timestamp': undefined, 'webhook-signature': undefined },
      }),
    ],
    ['without an id', () => ({ headers: { 'webhook-id': undefined } })],
    ['without a time', () => ({ headers: { 'webhook-timestamp': undefined } })],
    ['without a signature', () => ({ headers: { 'webhook-signature': undefined } })],
    ['with an empty signature', () => ({ headers: { 'webhook-signature': '' } })],
    ['with another secret', () => ({ secret: 'another' })],
    ['with a part of the secret', () => ({ secret: NEW.slice(0, -1) })],
    ['with both secrets as they stand in the environment', () => ({ secret: `${NEW},${OLD}` })],
    ['with another id than was signed', () => ({ headers: { 'webhook-id': newId() } })],
    ['with another time than was signed', () => ({ headers: { 'webhook-timestamp': String(nowS() - 1) } })],
    ['with a time of words', () => ({ headers: { 'webhook-timestamp': 'now' } })],
    ['with a time that something follows', () => ({ headers: { 'webhook-timestamp': `${nowS()}x` } })],
    ['301 s old', () => ({ at: nowS() - 302 })],
    ['301 s early', () => ({ at: nowS() + 302 })],
    ['in milliseconds', () => ({ at: Date.now() })],
    [
      'whose body was written anew, with the same meaning',
      (body) => {
        const [id, at] = [newId(), nowS()];
        const signature = sign(NEW, id, at, body);
        return {
          id,
          at,
          body: JSON.stringify(JSON.parse(body), null, 1),
          headers: { 'webhook-signature': signature },
        };
      },
    ],
    [
      'whose body has one byte more',
      (body) => {
        const [id, at] = [newId(), nowS()];
        return { id, at, body: `${body}\n`, headers: { 'webhook-signature': sign(NEW, id, at, body) } };
      },
    ],
    [
      'with the right signature under another version',
      (body) => {
        const [id, at] = [newId(), nowS()];
        return {
          id,
          at,
          body,
          headers: { 'webhook-signature': sign(NEW, id, at, body).replace('v1', 'v1a') },
        };
      },
    ],
    [
      'with the secret decoded, as others use it',
      (body) => {
        const [id, at, secret] = [newId(), nowS(), 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'];
        return {
          id,
          at,
          body,
          headers: { 'webhook-signature': new Webhook(secret).sign(id, new Date(at * 1_000), body) },
        };
      },
    ],
    ['no JSON either', () => ({ secret: 'another', body: '{' })],
  ];

  it.each(refused)('(%s) is the one 401, and is not written down', async (_name, order) => {
    const rows = await countRows();
    const answer = await post({ body: expired(), ...order(expired()) });
    expectProblem(answer, 401);
    const { instance: _instance, ...constant } = answer.body;
    expect(constant).toEqual({
      type: 'urn:bellhop:problem:signature_invalid',
      title: 'The signature does not hold',
      status: 401,
      detail: 'The signature does not hold.',
      code: 'signature_invalid',
      errors: [],
    });
    expect(await countRows()).toBe(rows);
  });

  it('but is near the limit of its age is 202, on both sides', async () => {
    for (const at of [nowS() - 295, nowS() + 295]) expect((await post({ at })).status).toBe(202);
  });

  it('is not let in by an API key', async () => {
    expectProblem(await api.call('POST', PATH, { body: expired() }), 401);
  });
});

describe('the webhook', () => {
  it('takes nothing but POST', async () => {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const answer = await api.call(method, PATH);
      expect([answer.status, answer.headers['allow']]).toEqual([405, 'POST']);
    }
  });

  it('without a secret is not there: 404, also for what would be signed', async () => {
    const off = await startTestApi({ noWorker: true });
    try {
      expectProblem(await post({ to: off }), 404);
      expectProblem(await post({ to: off, headers: { 'webhook-signature': undefined } }), 404);
    } finally {
      await off.close();
    }
  });

  it('forgets an event after a week, and none that is not settled', async () => {
    const [old, fresh, pending] = [newId(), newId(), newId()];
    for (const id of [old, fresh]) await post({ id, body: JSON.stringify({ type: 'x' }) });
    await post({ id: pending });
    const prune = () =>
      asSystem(api.bellhop.db, async (tx) => {
        await sql`update webhook_events set received_at = now() - interval '8 days' where id in (${old}, ${pending})`.execute(
          tx,
        );
        return pruneWebhookEvents(tx, 100);
      });
    expect(await prune()).toBe(1);
    const left = await Promise.all([old, fresh, pending].map(async (id) => (await rowOf(id)) !== undefined));
    expect(left).toEqual([false, true, true]);
    // Tried twenty times and a day old: given up, known for its week like the others.
    await asSystem(api.bellhop.db, (tx) =>
      sql`update webhook_events set tries = 20, received_at = now() - interval '25 hours' where id = ${pending}`.execute(
        tx,
      ),
    );
    await asSystem(api.bellhop.db, (tx) => pruneWebhookEvents(tx, 100));
    expect(await rowOf(pending)).toMatchObject({ outcome: 'given_up', account_id: null, named_user: null });
  });

  it('takes 1,000 events at once: no 5xx, each written once', async () => {
    const rows = await countRows();
    const one = async (): Promise<number> => {
      const [id, at, body] = [newId(), nowS(), expired()];
      const headers = {
        'webhook-id': id,
        'webhook-timestamp': String(at),
        'webhook-signature': sign(NEW, id, at, body),
      };
      return (await send(api.url, 'POST', PATH, { body, headers })).status;
    };
    const statuses = await Promise.all(Array.from({ length: 1_000 }, one));
    expect(new Set(statuses)).toEqual(new Set([202]));
    expect(await countRows()).toBe(rows + 1_000);
  });
});
