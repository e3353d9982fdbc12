/** The Composio sandbox: signed webhooks and the subscription that holds their secret. */
import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useSandbox } from './composio-harness.ts';

const open = useSandbox();
const SECRET = 'whsec_not+base64/at all';
const received: { headers: IncomingHttpHeaders; body: string }[] = [];
const receiver = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk: Buffer) => {
    body += chunk.toString();
  });
  request.on('end', () => {
    received.push({ headers: request.headers, body });
    response.writeHead(202).end();
  });
});
let url: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/v1/webhooks/composio`;
});
afterAll(() => receiver.close());

const expiredAccount = async (): Promise<string> =>
  (
    await open().control.seedAccount({
      userId: 'alice',
      app: 'gmail',
      status: 'EXPIRED',
      statusReason: 'gone',
    })
  ).id;

/** As a receiver would: over the raw body, with the secret as it is. */
function isSigned({ headers, body }: (typeof received)[number], secret: string): boolean {
  const expected = createHmac('sha256', secret)
    .update([headers['webhook-id'], headers['webhook-timestamp'], body].join('.'))
    .digest('base64');
  return headers['webhook-signature'] === `v1,${expected}`;
}

describe('composio.connected_account.expired', () => {
  it('is sent in the V3 form, signed with the raw secret, and says how it was received', async () => {
    const accountId = await expiredAccount();
    const sent = await open().control.emitWebhook({ accountId, url, secret: SECRET });
    expect(sent.status).toBe(202);
    const got = received.at(-1);
    if (!got) throw new Error('nothing was received');
    expect(isSigned(got, SECRET)).toBe(true);
    expect(isSigned(got, `${SECRET}x`)).toBe(false);
    expect(Math.abs(Number(got.headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(10);
    const event = JSON.parse(got.body);
    expect(event).toMatchObject({
      id: got.headers['webhook-id'],
      type: 'composio.connected_account.expired',
      timestamp: expect.stringMatching(/Z$/),
      data: {
        id: accountId,
        user_id: 'alice',
        toolkit: { slug: 'gmail' },
        auth_config: { auth_scheme: 'OAUTH2' },
        status: 'EXPIRED',
        status_reason: 'gone',
      },
      metadata: { project_id: expect.any(String), org_id: expect.any(String) },
    });
    expect(got.body).not.toContain('access_token');
  });

  it('leaves the user out, repeats an id, ages and tampers when asked to', async () => {
    const accountId = await expiredAccount();
    const order = { accountId, url, secret: SECRET };
    await open().control.emitWebhook({
      ...order,
      omitUserId: true,
      webhookId: 'msg_1',
      timestamp: 1_700_000_000,
    });
    const old = received.at(-1);
    expect([old?.headers['webhook-id'], old?.headers['webhook-timestamp']]).toEqual(['msg_1', '1700000000']);
    expect(JSON.parse(old?.body ?? '').data).not.toHaveProperty('user_id');
    await open().control.emitWebhook({ ...order, tamper: true });
    const tampered = received.at(-1);
    if (!tampered) throw new Error('nothing was received');
    expect(isSigned(tampered, SECRET)).toBe(false);
  });

  it('tells that the receiver could not be reached, and refuses an order it cannot fill', async () => {
    const accountId = await expiredAccount();
    const nowhere = await open().control.emitWebhook({
      accountId,
      url: 'http://127.0.0.1:1/',
      secret: SECRET,
    });
    expect([nowhere.status, typeof nowhere.error]).toEqual([null, 'string']);
    await expect(open().control.emitWebhook({ accountId: 'ca_nope', url, secret: SECRET })).rejects.toThrow(
      'no account',
    );
    await expect(open().control.emitWebhook({ accountId })).rejects.toThrow('no webhook subscription');
  });
});

describe('the webhook subscription', () => {
  it('is one per project; is read, changed, rotated and deleted; and its secret signs', async () => {
    const { call, control } = open();
    const path = '/webhook_subscriptions';
    const events = ['composio.connected_account.expired'];
    const made = await call('POST', path, { webhook_url: url, enabled_events: events, version: 'V3' });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      webhook_url: url,
      version: 'V3',
      enabled_events: events,
      secret: expect.any(String),
    });
    expect((await call('POST', path, { webhook_url: url })).status).toBe(409);
    expect((await call('GET', `${path}?limit=1`)).body.items).toEqual([made.body]);

    const rotated = await call('POST', `${path}/${made.body.id}/rotate_secret`);
    expect(rotated.body.secret).not.toBe(made.body.secret);
    await control.emitWebhook({ accountId: await expiredAccount() });
    const got = received.at(-1);
    if (!got) throw new Error('nothing was received');
    expect(isSigned(got, rotated.body.secret)).toBe(true);

    const changed = await call('PATCH', `${path}/${made.body.id}`, { webhook_url: `${url}/new` });
    expect(changed.body).toMatchObject({ webhook_url: `${url}/new`, enabled_events: events });
    expect((await call('PATCH', `${path}/${made.body.id}`, { enabled_events: 'x' })).status).toBe(400);
    expect((await call('DELETE', `${path}/${made.body.id}`)).body).toEqual({ success: true });
    expect((await call('DELETE', `${path}/${made.body.id}`)).status).toBe(404);
  });
});
