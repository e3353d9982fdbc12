/** The Composio sandbox: what survives a restart. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createComposioSandbox } from '../../sandbox/composio/server.ts';
import { type Harness, openHarness, until } from './composio-harness.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'composio-sandbox-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const post = async ({ call, control }: Harness, text: string): Promise<string> => {
  const [account] = await control.accounts({ userId: 'alice' });
  const { body } = await call('POST', '/tools/execute/SLACK_SEND_MESSAGE', {
    user_id: 'alice',
    connected_account_id: account?.id,
    arguments: { channel: 'general', text },
  });
  return body.log_id;
};

describe('with a data directory', () => {
  it('keeps accounts, auth configs, open links, the subscription and the journal over a restart', async () => {
    const first = await openHarness({ dataDir });
    const done = await first.link('alice');
    await first.control.consent(done.redirect_url, 'approve', 'alice@work.test');
    const pending = await first.link('bob', 'gmail');
    const subscription = await first.call('POST', '/webhook_subscriptions', {
      webhook_url: 'http://127.0.0.1:9/',
    });
    await post(first, 'one');
    const [accounts, configs] = [
      await first.control.accounts(),
      (await first.call('GET', '/auth_configs')).body,
    ];
    await first.sandbox.close();

    const second = await openHarness({ dataDir });
    expect(await second.control.accounts()).toEqual(accounts);
    expect((await second.call('GET', '/auth_configs')).body).toEqual(configs);
    expect((await second.call('GET', '/webhook_subscriptions')).body.items).toEqual([subscription.body]);
    await post(second, 'two');
    const effects = await second.control.journal();
    expect(effects.map((effect) => [effect.seq, effect.arguments['text']])).toEqual([
      [1, 'one'],
      [2, 'two'],
    ]);
    const address = `${second.sandbox.url}/link/${pending.link_token}`;
    expect((await second.control.consent(address, 'approve')).status).toBe(302);
    expect((await second.control.account(pending.connected_account_id)).status).toBe('ACTIVE');
    await second.sandbox.close();
  });

  it('goes on with an activation that was pending', async () => {
    const first = await openHarness({ dataDir, settings: { activeDelayMs: 200 } });
    const { redirect_url, connected_account_id: id } = await first.link('alice');
    await first.control.consent(redirect_url, 'approve');
    await first.sandbox.close();
    const second = await openHarness({ dataDir });
    await until('ACTIVE', async () => (await second.control.account(id)).status === 'ACTIVE');
    await second.sandbox.close();
  });

  it('has an effect on disk before its answer leaves', async () => {
    const harness = await openHarness({ dataDir });
    await harness.control.seedAccount({ userId: 'alice', app: 'slack' });
    const logIds = await Promise.all(Array.from({ length: 20 }, (_, n) => post(harness, `m${n}`)));
    const lines = readFileSync(join(dataDir, 'composio-effects.jsonl'), 'utf8').trim().split('\n');
    const written = lines.map((line) => (JSON.parse(line) as { logId: string }).logId);
    expect(written.toSorted()).toEqual(logIds.toSorted());
    await harness.sandbox.close();
  });

  it('cuts off a half written last line of the journal and goes on behind it', async () => {
    const first = await openHarness({ dataDir });
    await first.control.seedAccount({ userId: 'alice', app: 'slack' });
    await post(first, 'whole');
    await first.sandbox.close();
    const file = join(dataDir, 'composio-effects.jsonl');
    appendFileSync(file, '{"seq":2,"at":"20');
    const second = await openHarness({ dataDir });
    expect(await second.control.journal()).toHaveLength(1);
    await post(second, 'after');
    await second.sandbox.close();
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { seq: number }).seq)).toEqual([1, 2]);
  });

  it('refuses to start on a snapshot that it cannot read, and names the file', async () => {
    writeFileSync(join(dataDir, 'composio-sandbox.json'), '{');
    await expect(createComposioSandbox({ dataDir })).rejects.toThrow('composio-sandbox.json cannot be read');
  });
});
