/** Using the port contacts the configured address and nobody else, and starts no process, whatever the environment asks for. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SdkName } from '../../composio/sdk-port.ts';
import { SDK_NAMES } from '../../composio/sdk-port.ts';
import type { RecordingProxy } from './recording-proxy.ts';
import { createRecordingProxy } from './recording-proxy.ts';
import type { ScriptedServer } from './scripted-server.ts';
import { answerJson, createScriptedServer } from './scripted-server.ts';

const toolItem = {
  slug: 'SLACK_SEND_MESSAGE',
  toolkit: { slug: 'slack', name: 'Slack' },
  input_parameters: { type: 'object', properties: {} },
};
let server: ScriptedServer;
let proxy: RecordingProxy;
let home: string;
beforeAll(async () => {
  server = await createScriptedServer((asked, response) => {
    if (asked.url.includes('/BROKEN'))
      return answerJson(500, { error: { message: 'boom' } })(asked, response);
    if (asked.url.endsWith('/link')) {
      return answerJson(201, { connected_account_id: 'ca_9', redirect_url: 'http://x/' })(asked, response);
    }
    const list = { items: asked.url.includes('/tools?') ? [toolItem] : [], next_cursor: null };
    return answerJson(200, { ...list, data: {}, successful: true })(asked, response);
  });
  proxy = await createRecordingProxy();
  home = mkdtempSync(join(tmpdir(), 'bellhop-home-'));
  mkdirSync(join(home, '.composio'));
  // What a developer's login leaves behind: another key and another address.
  writeFileSync(
    join(home, '.composio', 'user_data.json'),
    JSON.stringify({ api_key: 'foreign-key', base_url: proxy.url }),
  );
});
afterAll(async () => {
  await Promise.all([server.close(), proxy.close()]);
  rmSync(home, { recursive: true });
});

beforeEach(() => {
  proxy.targets.length = 0;
  server.asked.length = 0;
});

type Report = { contacts: string[]; children: number; outcomes: string[]; stopHandlers: number };

async function probe(sdk: SdkName, mode: string, environment: Record<string, string> = {}): Promise<Report> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(import.meta.dirname, 'phone-home-probe.ts'), server.url, sdk, mode],
    {
      // No `node` on PATH: the SDK's telemetry would end the process. Everything here asks for what must not happen.
      env: {
        PATH: home,
        HOME: home,
        TELEMETRY_DISABLED: 'false',
        COMPOSIO_LOGGING_LEVEL: 'debug',
        COMPOSIO_LOG_LEVEL: 'debug',
        COMPOSIO_LOG: 'debug',
        COMPOSIO_CUSTOM_HEADERS: 'x-api-key: foreign-key\nx-source: foreign-source',
        COMPOSIO_TOOLKIT_VERSION_SLACK: 'foreign-version',
        COMPOSIO_BASE_URL: proxy.url,
        COMPOSIO_API_KEY: 'foreign-key',
        ...environment,
      },
      timeout: 60_000,
    },
  );
  return JSON.parse(stdout) as Report;
}

describe.each(SDK_NAMES)('the port by %s in a process of its own', (sdk) => {
  it('contacts the configured address only, starts no child, prints nothing, and uses no foreign key', async () => {
    const report = await probe(sdk, 'plain');
    expect(report.outcomes.slice(0, 4)).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(report.outcomes[4]).toContain('boom');
    expect(report.contacts).toEqual([new URL(server.url).host]);
    expect(report.children).toBe(0);
    expect(report.stopHandlers).toBe(0);
    expect(JSON.stringify(server.asked)).not.toContain('foreign');
    expect(proxy.targets).toEqual([]);
    expect(new Set(server.asked.map((a) => a.headers['x-api-key']))).toEqual(new Set(['the-key']));
  });

  it('would be caught by this test if it did', async () => {
    const report = await probe(sdk, 'control');
    expect(report.contacts).toContain('127.0.0.1:9');
    expect(report.children).toBe(1);
  });

  it('ignores proxy variables unless Node is told to use them', async () => {
    await probe(sdk, 'plain', { HTTP_PROXY: proxy.url, http_proxy: proxy.url, ALL_PROXY: proxy.url });
    expect(proxy.targets).toEqual([]);
  });

  it('goes through the proxy with everything when Node is told to, and asks it for one host', async () => {
    const report = await probe(sdk, 'plain', {
      HTTP_PROXY: proxy.url,
      HTTPS_PROXY: proxy.url,
      NODE_USE_ENV_PROXY: '1',
    });
    expect(report.outcomes.slice(0, 4)).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(report.contacts).toEqual([new URL(proxy.url).host]);
    expect(new Set(proxy.targets)).toEqual(new Set([new URL(server.url).host]));
  });
});
