/** The Composio sandbox: each fault does what it says to the caller, and has exactly the effect that it says. */
import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FaultAction, NewFault } from '../../sandbox/composio/faults/fault.ts';
import { API_KEY, openHarness, useSandbox } from './composio-harness.ts';

const open = useSandbox();
let account: string;
let before: number;

beforeEach(async () => {
  account = (await open().control.seedAccount({ userId: 'alice', app: 'slack' })).id;
  before = (await open().control.state()).effects;
});
afterEach(async () => {
  await open().control.clearFaults();
});

type Raw = {
  status: number | null;
  body: string;
  ended: 'complete' | 'cut' | 'aborted';
  headers: Record<string, unknown>;
  ms: number;
};

/** One execution over a raw socket, so that cut and broken answers are seen as they are. */
function execute(options: { path?: string; userId?: string; abortAfterMs?: number } = {}): Promise<Raw> {
  const started = performance.now();
  const body = JSON.stringify({
    user_id: options.userId ?? 'alice',
    connected_account_id: account,
    arguments: { channel: 'general', text: 'x' },
  });
  return new Promise((resolve) => {
    const seen: Omit<Raw, 'ended' | 'ms'> = { status: null, body: '', headers: {} };
    let aborted = false;
    const end = (ended: 'complete' | 'cut'): void => {
      clearTimeout(timer);
      resolve({ ...seen, ended: aborted ? 'aborted' : ended, ms: performance.now() - started });
    };
    const sent = request(
      `${open().sandbox.url}/api/v3.1${options.path ?? '/tools/execute/SLACK_SEND_MESSAGE'}`,
      { method: 'POST', agent: false, headers: { 'x-api-key': API_KEY, 'content-type': 'application/json' } },
      (response) => {
        seen.status = response.statusCode ?? null;
        seen.headers = response.headers;
        response.setEncoding('latin1');
        response.on('data', (chunk: string) => {
          seen.body += chunk;
        });
        response.on('close', () => end(response.complete ? 'complete' : 'cut'));
        response.on('error', () => end('cut'));
      },
    );
    sent.on('error', () => end('cut'));
    const timer = setTimeout(() => {
      aborted = true;
      sent.destroy();
    }, options.abortAfterMs ?? 60_000);
    sent.end(body);
  });
}

const order = (action: FaultAction, more: Omit<NewFault, 'action'> = {}) =>
  open().control.addFault({ match: { route: 'tools.execute' }, action, ...more });
const grown = async (): Promise<number> => (await open().control.state()).effects - before;

describe('faults before the effect leave the journal as it was', () => {
  it('answers the ordered status with Composio error envelope', async () => {
    await order({ type: 'status', status: 503 });
    const answer = await execute();
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.body).error.status).toBe(503);
    expect(await grown()).toBe(0);
  });

  it('answers 429 with Retry-After and a bare message', async () => {
    await order({ type: 'status', status: 429, retryAfter: 7 });
    const answer = await execute();
    expect([answer.status, answer.headers['retry-after']]).toEqual([429, '7']);
    expect(Object.keys(JSON.parse(answer.body))).toEqual(['message']);
    expect(await grown()).toBe(0);
  });

  it('answers a given body and headers', async () => {
    await order({ type: 'status', status: 502, body: '<h1>Bad gateway</h1>', headers: { 'X-Proxy': 'p' } });
    const answer = await execute();
    expect([answer.body, answer.headers['x-proxy'], answer.headers['content-type']]).toEqual([
      '<h1>Bad gateway</h1>',
      'p',
      'text/html; charset=utf-8',
    ]);
  });

  it('resets the socket', async () => {
    await order({ type: 'reset' });
    expect(await execute()).toMatchObject({ status: null, ended: 'cut' });
    expect(await grown()).toBe(0);
  });

  it('hangs without an answer', async () => {
    await order({ type: 'hang' });
    expect(await execute({ abortAfterMs: 100 })).toMatchObject({ status: null, ended: 'aborted' });
    expect(await grown()).toBe(0);
  });

  it('redirects, and counts no request at a target nobody followed', async () => {
    await order({ type: 'redirect', location: 'http://169.254.169.254/latest', status: 307 });
    const answer = await execute();
    expect([answer.status, answer.headers['location']]).toEqual([307, 'http://169.254.169.254/latest']);
    expect(await grown()).toBe(0);
  });

  it('says successful: false with the ordered error', async () => {
    await order({ type: 'unsuccessful', error: 'channel_not_found' });
    expect(JSON.parse((await execute()).body)).toMatchObject({
      successful: false,
      error: 'channel_not_found',
    });
    expect(await grown()).toBe(0);
  });
});

describe('faults after the effect: it happened exactly once, the caller cannot know', () => {
  it('commits, then cuts the connection', async () => {
    await order({ type: 'reset', afterEffect: true });
    expect(await execute()).toMatchObject({ status: null, ended: 'cut' });
    expect(await grown()).toBe(1);
  });

  it('commits, then answers 500', async () => {
    await order({ type: 'status', status: 500, afterEffect: true });
    expect((await execute()).status).toBe(500);
    expect(await grown()).toBe(1);
  });

  it('commits, then hangs', async () => {
    await order({ type: 'hang', afterEffect: true });
    expect((await execute({ abortAfterMs: 100 })).ended).toBe('aborted');
    await expect.poll(grown).toBe(1);
  });

  it('commits, then says successful: false', async () => {
    await order({ type: 'unsuccessful', error: 'upstream timeout', afterEffect: true });
    expect(JSON.parse((await execute()).body)).toMatchObject({
      successful: false,
      error: 'upstream timeout',
    });
    expect(await grown()).toBe(1);
  });

  it.each([
    ['truncated', (raw: Raw) => raw.ended === 'cut' && raw.body.length > 10],
    [
      'invalid_json',
      (raw: Raw) => raw.ended === 'complete' && raw.body.startsWith('{"data"') && !raw.body.endsWith('}'),
    ],
    ['html', (raw: Raw) => raw.headers['content-type'] === 'text/html' && raw.body.startsWith('<!doctype')],
    ['empty', (raw: Raw) => raw.body === '' && raw.ended === 'complete'],
    ['wrong_shape', (raw: Raw) => raw.body === '{"ok":true}'],
  ] as const)('commits, then answers 200 with a %s body', async (how, isSo) => {
    await order({ type: 'malformed', how });
    const raw = await execute();
    expect([raw.status, isSo(raw)]).toEqual([200, true]);
    expect(await grown()).toBe(1);
  });

  it('trickles its answer', async () => {
    await order({ type: 'trickle', bytesPerSecond: 25 });
    const raw = await execute({ abortAfterMs: 2_000 });
    expect([raw.status, raw.ended]).toEqual([200, 'aborted']);
    expect(raw.body.length).toBeGreaterThan(5);
    expect(raw.body.length).toBeLessThan(80);
    expect(await grown()).toBe(1);
  });

  it('survives a caller that stops reading a huge body', async () => {
    for (const type of ['huge', 'gzip_bomb'] as const) {
      const rule = await order({ type, bytes: 20_000_000_000 });
      expect((await execute({ abortAfterMs: 60 })).ended).toBe('aborted');
      await open().control.removeFault(rule.id);
    }
    expect((await execute()).status).toBe(200);
  });

  it('answers with a huge body, plain and compressed', async () => {
    const bytes = 5_000_000;
    const huge = await order({ type: 'huge', bytes });
    const raw = await execute();
    expect(JSON.parse(raw.body).data.padding).toHaveLength(bytes);
    await open().control.removeFault(huge.id);
    await order({ type: 'gzip_bomb', bytes });
    const bomb = await execute();
    expect(bomb.headers['content-encoding']).toBe('gzip');
    expect(bomb.body.length).toBeLessThan(bytes / 100);
    expect(await grown()).toBe(2);
  });
});

describe('which requests a rule meets', () => {
  it('applies as often as ordered, after the ordered number of passes', async () => {
    await order({ type: 'status', status: 500 }, { times: 2, skip: 1 });
    const statuses: (number | null)[] = [];
    for (let n = 0; n < 5; n += 1) statuses.push((await execute()).status);
    expect(statuses).toEqual([200, 500, 500, 200, 200]);
    expect((await open().control.faults())[0]).toMatchObject({ applied: 2 });
    const faulted = (await open().control.requests()).filter(
      (entry) => entry.fault !== null && entry.status === 500,
    );
    expect(faulted.length).toBeGreaterThanOrEqual(2);
  });

  it.each([
    [{ slug: 'slack_send_message' }, 500],
    [{ slug: 'GMAIL_SEND_EMAIL' }, 200],
    [{ userId: 'alice' }, 500],
    [{ userId: 'bob' }, 200],
    [{ pathPrefix: '/tools/execute' }, 500],
    [{ pathPrefix: '/connected_accounts' }, 200],
    [{ method: 'post', route: 'tools.execute' }, 500],
    [{ method: 'GET', route: 'tools.execute' }, 200],
    [{}, 500],
  ])('matches %j', async (match, status) => {
    await open().control.addFault({ match, action: { type: 'status', status: 500 } });
    expect((await execute()).status).toBe(status);
  });

  it('matches a list request by any of its users, and an account request by its owner', async () => {
    await open().control.addFault({ match: { userId: 'alice' }, action: { type: 'status', status: 500 } });
    const { call } = open();
    expect((await call('GET', '/connected_accounts?user_ids=bob,alice')).status).toBe(500);
    expect((await call('GET', '/connected_accounts?user_ids=bob')).status).toBe(200);
    expect((await call('GET', `/connected_accounts/${account}`)).status).toBe(500);
  });

  it('never meets the control API, and refuses a fault that it does not know', async () => {
    await open().control.addFault({ action: { type: 'status', status: 500 } });
    expect((await open().control.faults()).length).toBe(1);
    const typo = { action: { type: 'explode' } } as unknown as NewFault;
    await expect(open().control.addFault(typo)).rejects.toThrow('unknown fault explode');
  });
});

describe('delays and gates', () => {
  it('delays by a fixed time, then does everything as usual', async () => {
    await order({ type: 'latency', ms: 120 });
    const raw = await execute();
    expect(raw.status).toBe(200);
    expect(raw.ms).toBeGreaterThanOrEqual(119);
  });

  it('adds up a delay and another fault', async () => {
    await order({ type: 'latency', ms: 100 });
    await order({ type: 'status', status: 500 });
    const raw = await execute();
    expect(raw.status).toBe(500);
    expect(raw.ms).toBeGreaterThanOrEqual(99);
  });

  it('draws the same share and the same delays for the same seed', async () => {
    const draw = async (seed: number): Promise<string> => {
      const rule = await order({ type: 'status', status: 500 }, { probability: 0.5, seed });
      let drawn = '';
      for (let n = 0; n < 24; n += 1) drawn += (await execute()).status === 500 ? 'x' : '.';
      await open().control.removeFault(rule.id);
      return drawn;
    };
    const first = await draw(7);
    expect(await draw(7)).toBe(first);
    expect(await draw(8)).not.toBe(first);
    expect(first).toMatch(/x.*\.|\..*x/);
  });

  it('holds executions before their effect until they are let go', async () => {
    await order({ type: 'hold', barrier: 'before' });
    const both = [execute(), execute()];
    expect(await open().control.waitForBarrier('before', 2)).toBe(2);
    expect(await grown()).toBe(0);
    expect(await open().control.releaseBarrier('before')).toBe(2);
    expect((await Promise.all(both)).map((raw) => raw.status)).toEqual([200, 200]);
    expect(await grown()).toBe(2);
  });

  it('holds executions after their effect', async () => {
    await order({ type: 'hold', barrier: 'after', afterEffect: true });
    const one = execute();
    await open().control.waitForBarrier('after');
    expect(await grown()).toBe(1);
    await open().control.releaseBarrier('after');
    expect((await one).status).toBe(200);
    expect(await grown()).toBe(1);
  });

  it('ends what hangs, waits or trickles when the sandbox closes, without a late effect', async () => {
    const own = await openHarness();
    const { id } = await own.control.seedAccount({ userId: 'a', app: 'slack' });
    await own.control.addFault({ match: { route: 'tools.execute' }, action: { type: 'hold', barrier: 'b' } });
    const held = own
      .call('POST', '/tools/execute/SLACK_SEND_MESSAGE', {
        user_id: 'a',
        connected_account_id: id,
        arguments: { channel: 'c', text: 't' },
      })
      .catch(() => 'cut');
    await own.control.waitForBarrier('b');
    const started = performance.now();
    await own.sandbox.close();
    // It waits for none of them.
    expect(performance.now() - started).toBeLessThan(30_000);
    expect(await held).toBe('cut');
  });
});
