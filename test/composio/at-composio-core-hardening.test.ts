/** What @composio/core does on its own, and that it cannot do it here. Judged by a server that remembers everything. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fetchBridge, type FetchRoute } from '../../composio/at-composio-core-bridge.ts';
import { loadAtSdk } from '../../composio/at-composio-core-import.ts';
import { createComposio } from '../../composio/create-composio.ts';
import type { ComposioPort } from '../../composio/port.ts';
import { call, failureOf, tool } from './fixtures.ts';
import type { ScriptedServer } from './scripted-server.ts';
import { answerJson, createScriptedServer } from './scripted-server.ts';

const done = { data: { ok: true }, error: null, successful: true, log_id: 'log_1' };
let server: ScriptedServer;
let port: ComposioPort;
beforeEach(async () => {
  server = await createScriptedServer(answerJson(200, done));
  const config = { apiKey: 'the-key', baseUrl: server.url, authConfigs: new Map<string, string>() };
  port = createComposio({ ...config, sdk: '@composio/core' });
});
afterEach(async () => {
  await server.close();
});

async function instance(routes: readonly FetchRoute[]) {
  const bridge = fetchBridge(server.url, routes);
  const sdk = (await loadAtSdk()).create({ apiKey: 'k', baseUrl: server.url, fetch: bridge.fetch });
  return { bridge, sdk };
}

describe('@composio/core, hardened', () => {
  it('puts the entity on the wire with exactly the verified account and version, in one request', async () => {
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

  it('executes a tool without a version without naming one, where the SDK would refuse or say `latest`', async () => {
    await port.forEntity('alice').execute(call({ tool: tool({ version: null }) }));
    expect(JSON.parse(server.asked[0]?.body ?? '')).not.toHaveProperty('version');
  });

  it.each([408, 409, 429, 500, 503])(
    'sends an execution once when it is answered with %i, and knows that status',
    async (status) => {
      server.script = answerJson(status, { error: { message: 'said by Composio' } });
      const failure = await failureOf(port.forEntity('alice').execute(call()));
      expect(failure.httpStatus).toBe(status);
      expect(server.asked).toHaveLength(1);
    },
  );

  it('mints a link once, where the SDK would ask again after a failure', async () => {
    server.script = answerJson(503, {});
    const request = { app: 'slack', authConfigId: 'ac_1', callbackUrl: 'http://127.0.0.1/cb' };
    expect(await failureOf(port.forEntity('alice').connect(request))).toMatchObject({ httpStatus: 503 });
    expect(server.asked.map((a) => a.url)).toEqual(['/api/v3.1/connected_accounts/link']);
    expect(JSON.parse(server.asked[0]?.body ?? '')).toEqual({
      auth_config_id: 'ac_1',
      user_id: 'alice',
      callback_url: 'http://127.0.0.1/cb',
    });
  });

  it('goes by our deadline, not by the minute of the SDK', async () => {
    server.script = () => undefined;
    const failure = await failureOf(port.forEntity('alice').execute(call({ timeoutMs: 300 })));
    expect(failure).toMatchObject({ kind: 'transient', outcome: 'unknown' });
  });

  it('refuses what has no route, and asks for it once', async () => {
    const { bridge, sdk } = await instance([]);
    const work = bridge.run(() => sdk.tools.get('alice', { tools: ['A'] }));
    expect((await failureOf(work)).message).toContain('does not allow');
    expect(server.asked).toEqual([]);
  });

  it('refuses another host, another path above the API, and another method', async () => {
    const seen: string[] = [];
    const route: FetchRoute = {
      method: 'GET',
      path: /^\/tools$/,
      answer: () => ({ seen: seen.push('asked') }),
    };
    const bridge = fetchBridge('http://composio.example/gateway', [route]);
    const urls = ['http://composio.example/api/v3.1/tools', 'http://other.example/gateway/api/v3.1/tools'];
    for (const url of urls) {
      const work = fetchBridge('http://composio.example/gateway', [route]);
      expect((await failureOf(work.run(() => work.fetch(url)))).message).toContain('does not allow');
    }
    const url = 'http://composio.example/gateway/api/v3.1/tools';
    await bridge.run(() => bridge.fetch(url));
    expect(seen).toEqual(['asked']);
    expect((await failureOf(bridge.run(() => bridge.fetch(url, { method: 'POST' })))).outcome).toBe(
      'not_sent',
    );
    expect(seen).toEqual(['asked']);
  });

  it('sends the key in one header, and says which SDK it is', async () => {
    await port.forEntity('alice').execute(call());
    const headers = server.asked[0]?.headers ?? {};
    expect(headers).toMatchObject({
      'x-api-key': 'the-key',
      'x-source': 'TYPESCRIPT_SDK',
      'x-framework': 'openai',
    });
    expect(Object.values(headers).filter((value) => String(value).includes('the-key'))).toHaveLength(1);
  });

  it('keeps large and odd results whole without handing them to the SDK', async () => {
    for (const data of [
      { rows: Array.from({ length: 20_000 }, (_, i) => ({ i })) },
      null,
      ['no', 'record'],
    ]) {
      server.script = answerJson(200, { ...done, data });
      expect((await port.forEntity('alice').execute(call({ timeoutMs: 20_000 }))).data).toEqual(data);
    }
  });

  it('shows schemas whole, also those that the SDK cannot parse', async () => {
    const odd = {
      type: 'object',
      properties: { a: { type: ['string', 'null'], 'x-note': 1, if: {} } },
      minProperties: 1,
    };
    const items = [odd, { type: 'object', properties: {} }].map((input_parameters, i) => ({
      slug: `A_${String(i)}`,
      toolkit: { slug: 'a', name: 'A' },
      input_parameters,
    }));
    server.script = answerJson(200, { items, next_cursor: null });
    const known = await port.getTools(['A_0', 'A_1']);
    const offered = await port.forEntity('alice').tools(['A_0', 'A_1']);
    expect(offered.map((offer) => offer.function.parameters)).toEqual(known.map((entry) => entry.parameters));
    expect(offered).toHaveLength(2);
  });

  it('takes neither key nor address from the environment or the home directory', async () => {
    const loaded = await loadAtSdk();
    const fetch = () => Promise.reject(new Error('unused'));
    expect(() => loaded.create({ apiKey: '', baseUrl: server.url, fetch })).toThrow(RangeError);
    expect(() => loaded.create({ apiKey: 'k', baseUrl: '', fetch })).toThrow(RangeError);
  });
});
