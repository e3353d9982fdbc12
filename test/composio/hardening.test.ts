/** What composio-core does on its own, one test per finding, and that it cannot do it here. Judged by a server that remembers everything. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createComposio } from '../../composio/create-composio.ts';
import type { ComposioPort } from '../../composio/port.ts';
import { bridge } from '../../composio/v3-bridge.ts';
import { loadSdk } from '../../composio/sdk-import.ts';
import { account, call, failureOf, tool } from './fixtures.ts';
import type { ScriptedServer } from './scripted-server.ts';
import { answerJson, answerText, createScriptedServer } from './scripted-server.ts';

const done = { data: { ok: true }, error: null, successful: true, log_id: 'log_1' };
let server: ScriptedServer;
let port: ComposioPort;
beforeEach(async () => {
  server = await createScriptedServer(answerJson(200, done));
  port = createComposio({
    apiKey: 'the-key',
    baseUrl: server.url,
    authConfigs: new Map(),
    sdk: 'composio-core',
  });
});
afterEach(async () => {
  await server.close();
});

describe('composio-core, hardened', () => {
  it('C1: puts the entity on the wire with exactly the verified account, in one request', async () => {
    await port.forEntity('alice').execute(call());
    expect(server.asked.map((a) => `${a.method} ${a.url}`)).toEqual([
      'POST /api/v3.1/tools/execute/SLACK_SEND_MESSAGE',
    ]);
    expect(JSON.parse(server.asked[0]?.body ?? '')).toEqual({
      user_id: 'alice',
      connected_account_id: 'ca_alice',
      arguments: { channel: 'general', text: 'hello' },
      version: '20260101_00',
    });
  });

  it('C1: refuses, in the bridge itself, a toolset of one entity that would act for another', async () => {
    const sdk = await loadSdk();
    const toolset = sdk.createToolSet({ apiKey: 'k', baseUrl: server.url, entityId: 'mallory' });
    const seen: string[] = [];
    const route = {
      method: 'get' as const,
      path: /^\/api\/v2\/actions\/([^/]+)$/,
      answer: ({ entityId }: { entityId: string }) => void seen.push(entityId),
    };
    const work = bridge(toolset, server.url, [route]).run(
      async (t) =>
        await t.executeAction({ action: 'X', params: {}, entityId: 'alice', connectedAccountId: 'ca_1' }),
    );
    expect(await failureOf(work)).toMatchObject({ outcome: 'not_sent' });
    expect(seen).toEqual(['mallory']);
    expect(server.asked).toHaveLength(0);
  });

  it('C2: never lets the SDK pick an account: it is refused every list of accounts', async () => {
    const sdk = await loadSdk();
    const toolset = sdk.createToolSet({ apiKey: 'k', baseUrl: server.url, entityId: 'alice' });
    const lookUps = [
      { method: 'get' as const, path: /^\/api\/v2\/actions\/([^/]+)$/, answer: () => ({ appKey: 'slack' }) },
      { method: 'get' as const, path: /^\/api\/v1\/apps\/([^/]+)$/, answer: () => ({ no_auth: false }) },
    ];
    const work = bridge(toolset, server.url, lookUps).run(
      async (t) => await t.executeAction({ action: 'X', params: {}, entityId: 'alice' }),
    );
    expect((await failureOf(work)).message).toContain('does not allow');
    expect(server.asked).toHaveLength(0);
  });

  it('C3: reads no local file, even for arguments that passed every check', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bellhop-'));
    const secret = join(folder, 'secret.txt');
    writeFileSync(secret, 'canary-of-a-local-file');
    const args = { channel: 'c', x_schema_parsed_file: secret };
    expect(await failureOf(port.forEntity('alice').execute(call({ arguments: args })))).toMatchObject({
      kind: 'invalid_arguments',
    });
    const sdk = await loadSdk();
    const toolset = sdk.createToolSet({ apiKey: 'k', baseUrl: server.url, entityId: 'alice' });
    const bodies: unknown[] = [];
    const routes = [
      { method: 'get' as const, path: /^\/api\/v2\/actions\/[^/]+$/, answer: () => ({ appKey: 'slack' }) },
      { method: 'get' as const, path: /^\/api\/v1\/apps\/[^/]+$/, answer: () => ({ no_auth: true }) },
      {
        method: 'post' as const,
        path: /execute$/,
        answer: ({ body }: { body: unknown }) => {
          bodies.push(body);
          return done;
        },
      },
    ];
    await bridge(toolset, server.url, routes).run(
      async (t) => await t.executeAction({ action: 'X', params: args, entityId: 'alice' }),
    );
    expect(bodies).toMatchObject([{ input: { x_schema_parsed_file: secret } }]);
    expect(JSON.stringify(bodies)).not.toContain('canary');
    rmSync(folder, { recursive: true });
  });

  it('C4: fetches no address that a result names, and takes a null result as one', async () => {
    const elsewhere = await createScriptedServer();
    const data = { file: { s3url: `${elsewhere.url}/internal`, mimetype: 'text/plain' } };
    server.script = answerJson(200, { ...done, data });
    expect((await port.forEntity('alice').execute(call())).data).toEqual(data);
    server.script = answerJson(200, { ...done, data: null });
    expect((await port.forEntity('alice').execute(call())).data).toBeNull();
    expect(elsewhere.asked).toHaveLength(0);
    await elsewhere.close();
  });

  it('C7: ends an execution at its own deadline against a server that trickles, as an unknown outcome', async () => {
    server.script = (_asked, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(drip));
    };
    const start = performance.now();
    const failure = await failureOf(port.forEntity('alice').execute(call({ timeoutMs: 300 })));
    expect(failure).toMatchObject({ kind: 'transient', outcome: 'unknown' });
    expect(performance.now() - start).toBeLessThan(30_000);
  });

  it('C7: takes an answer above the size cap as an unknown outcome', async () => {
    server.script = (_asked, response) => {
      response.writeHead(200, { 'content-length': String(200 * 1024 * 1024) });
      response.write('{');
    };
    const failure = await failureOf(port.forEntity('alice').execute(call()));
    expect(failure).toMatchObject({ kind: 'too_large', outcome: 'unknown' });
  });

  it('C9: keeps Retry-After, as seconds and as a date', async () => {
    server.script = answerJson(429, { message: 'rate limit' }, { 'retry-after': '7' });
    expect(await failureOf(port.forEntity('alice').execute(call()))).toMatchObject({
      kind: 'rate_limited',
      outcome: 'rejected',
      retryAfterMs: 7_000,
    });
    server.script = answerJson(429, {}, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() });
    const { retryAfterMs } = await failureOf(port.getToolkit('slack'));
    expect(retryAfterMs).toBeGreaterThan(50_000);
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  it.each([403, 409, 410, 422, 503, 504])(
    'C5: knows the status of a %i, where the SDK only has a TypeError',
    async (status) => {
      server.script = answerJson(status, { error: { message: 'said by Composio' } });
      const failure = await failureOf(port.forEntity('alice').execute(call()));
      expect(failure.httpStatus).toBe(status);
      expect(failure.message).toContain('said by Composio');
    },
  );

  it.each([
    ['an empty body', ''],
    ['truncated JSON', '{"successful": true, "data": {'],
    ['HTML', '<html></html>'],
    ['null', 'null'],
    ['an array', '[]'],
    ['no verdict', '{"data": {}}'],
    ['a verdict that is no boolean', '{"successful": "yes"}'],
  ])('C10: takes %s of an execution as an unknown outcome', async (_what, body) => {
    server.script = answerText(200, body, { 'content-type': 'application/json' });
    const failure = await failureOf(port.forEntity('alice').execute(call()));
    expect(failure).toMatchObject({ kind: 'transient', outcome: 'unknown' });
  });

  it('C10: reads the misspelt verdict of older servers, and error objects', async () => {
    server.script = answerJson(200, { data: {}, successfull: false, error: { message: 'no' } });
    const result = await port.forEntity('alice').execute(call());
    expect(result).toMatchObject({ successful: false, error: '{"message":"no"}', logId: null });
  });

  it('C11: takes neither key nor address from the environment or the home directory', async () => {
    const sdk = await loadSdk();
    for (const config of [
      { apiKey: '', baseUrl: server.url, entityId: 'alice' },
      { apiKey: 'k', baseUrl: '', entityId: 'alice' },
      { apiKey: 'k', baseUrl: server.url, entityId: '' },
      { apiKey: 'k', baseUrl: server.url, entityId: 'default' },
    ]) {
      expect(() => sdk.createToolSet(config)).toThrow(RangeError);
    }
    expect(() =>
      createComposio({ apiKey: '', baseUrl: server.url, authConfigs: new Map(), sdk: 'composio-core' }),
    ).toThrow(RangeError);
  });

  it('sends the key in one header, and says which SDK it is', async () => {
    await port.forEntity('alice').execute(call());
    const headers = server.asked[0]?.headers ?? {};
    expect(headers).toMatchObject({ 'x-api-key': 'the-key', 'x-source': 'js_sdk', 'x-runtime': 'openai' });
    expect(headers).not.toHaveProperty('common');
    expect(Object.values(headers).filter((value) => String(value).includes('the-key'))).toHaveLength(1);
  });

  it('keeps large results whole without handing them to the SDK', async () => {
    const data = { rows: Array.from({ length: 50_000 }, (_, i) => ({ i, text: 'x'.repeat(50) })) };
    server.script = answerJson(200, { ...done, data });
    const result = await port.forEntity('alice').execute(call({ timeoutMs: 20_000 }));
    expect(result.data).toEqual(data);
  });

  it('never puts the key into a failure', async () => {
    server.script = answerJson(500, { error: { message: 'boom' } });
    const failure = await failureOf(port.forEntity('alice').execute(call()));
    expect(JSON.stringify([failure, failure.message, failure.stack, String(failure.cause)])).not.toContain(
      'the-key',
    );
  });
});

describe('answers of the catalogue and of accounts', () => {
  it.each([
    [{ slug: 'slack' }, 'Slack'],
    [{ slug: 'SLACK', name: 'slack' }, 'Slack'],
    [{ slug: 'slack', name: ' ' }, 'Slack'],
    [{ slug: 'github', name: 'GitHub' }, 'GitHub'],
    [{ slug: 'ical', name: 'iCal' }, 'iCal'],
  ])('name the app of %j to a person as %s, a tool’s as well as a toolkit’s', async (toolkit, name) => {
    server.script = answerJson(200, {
      items: [{ slug: 'A_TOOL', no_auth: false, toolkit }],
      next_cursor: null,
    });
    expect((await port.getTools(['A_TOOL'])).map(({ appName }) => appName)).toEqual([name]);
    server.script = answerJson(200, toolkit);
    expect((await port.getToolkit(toolkit.slug))?.name).toBe(name);
  });

  it.each([400, 404, 422])(
    'asks for each tool by itself when one that is none spoils the list with %i, and finds the others',
    async (status) => {
      const refusal = { error: { message: 'Tool not found', code: 2401, slug: 'Tool_ToolNotFound', status } };
      const known = { slug: 'A_TOOL', no_auth: true, toolkit: { slug: 'slack' } };
      server.script = ({ url }, response) => {
        const isKnown = url.startsWith('/api/v3.1/tools/A_TOOL');
        response.writeHead(isKnown ? 200 : status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(isKnown ? known : refusal));
      };
      expect((await port.getTools(['A_TOOL', 'NO_TOOL'])).map(({ slug }) => slug)).toEqual(['A_TOOL']);
      expect(server.asked).toHaveLength(3);
    },
  );

  it('does not take a server that fails for one that knows no such tool', async () => {
    server.script = answerJson(503, {});
    expect(await failureOf(port.getTools(['A_TOOL']))).toMatchObject({ kind: 'transient' });
    expect(server.asked).toHaveLength(1);
  });

  it('takes an account of unknown status as one that cannot act, and drops one without owner', async () => {
    const item = {
      id: 'ca_1',
      user_id: 'alice',
      status: 'ACTIVE',
      toolkit: { slug: 'SLACK' },
      created_at: '2026-01-01',
    };
    server.script = answerJson(200, {
      items: [
        item,
        { ...item, id: 'ca_2', status: 'PAUSED' },
        { ...item, id: 'ca_3', user_id: undefined },
        { ...item, id: 'ca_4', auth_config: { id: 'ac', is_disabled: true } },
        { ...item, id: 'ca_5', user_id: 'bob' },
        null,
      ],
      next_cursor: null,
    });
    const accounts = await port.forEntity('alice').connections(null);
    expect(accounts.map((a) => [a.id, a.status, a.disabled])).toEqual([
      ['ca_1', 'ACTIVE', false],
      ['ca_2', 'INACTIVE', false],
      ['ca_4', 'ACTIVE', true],
    ]);
    expect(accounts[1]?.statusReason).toBe('unknown status PAUSED');
    expect(accounts[0]).toMatchObject({ app: 'slack', createdAt: '2026-01-01T00:00:00.000Z' });
  });

  it('fails rather than believing that somebody has no account, when the answer is no list', async () => {
    server.script = answerJson(200, { hello: 'world' });
    expect(await failureOf(port.forEntity('alice').connections(null))).toMatchObject({ kind: 'transient' });
  });

  it('does not follow a cursor for ever', async () => {
    server.script = answerJson(200, { items: [], next_cursor: 'same' });
    // A list that does not move on is not the whole list: a connection behind it must not count as missing.
    expect(await failureOf(port.forEntity('alice').connections(null))).toMatchObject({ kind: 'transient' });
    expect(server.asked).toHaveLength(2);
    let page = 0;
    server.script = (asked, response) =>
      answerJson(200, { items: [], next_cursor: String(page++) })(asked, response) as undefined;
    expect(await failureOf(port.forEntity('alice').connections(null))).toMatchObject({ kind: 'transient' });
  });

  it('names the retired API plainly', async () => {
    server.script = answerJson(410, {
      error: 'This endpoint is no longer available. Please upgrade to v3 APIs.',
    });
    expect(await failureOf(port.ping())).toMatchObject({ kind: 'api_retired' });
  });

  it('says of an unreachable Composio that nothing was sent', async () => {
    await server.close();
    expect(await failureOf(port.forEntity('alice').execute(call()))).toMatchObject({
      kind: 'unavailable',
      outcome: 'not_sent',
    });
    server = await createScriptedServer();
  });

  it('does not let a cached tool be changed by one of its users', async () => {
    const item = {
      slug: 'A_B',
      toolkit: { slug: 'a', name: 'A' },
      input_parameters: { type: 'object', properties: {} },
    };
    server.script = answerJson(200, { items: [item], next_cursor: null });
    const [cached] = await port.getTools(['A_B']);
    expect(() => Object.assign(cached?.parameters ?? {}, { evil: 1 })).toThrow(TypeError);
    expect((await port.forEntity('alice').tools(['A_B']))[0]?.function.parameters).toBe(cached?.parameters);
  });
});

describe('sabotage skip-scope', () => {
  it("acts with anybody's account, so that the isolation test has something to find", async () => {
    const sabotaged = createComposio({
      apiKey: 'k',
      baseUrl: server.url,
      authConfigs: new Map(),
      sdk: 'composio-core',
      sabotage: 'skip-scope',
    });
    const bobs = { id: 'ca_bob', user_id: 'bob', status: 'ACTIVE', toolkit: { slug: 'slack' } };
    server.script = (asked, response) =>
      answerJson(200, asked.method === 'GET' ? { items: [bobs], next_cursor: null } : done)(asked, response);
    await sabotaged.forEntity('alice').execute(call({ tool: tool(), account: account() }));
    expect(JSON.parse(server.asked.at(-1)?.body ?? '')).toMatchObject({
      user_id: 'bob',
      connected_account_id: 'ca_bob',
    });
  });
});
