/** A run's events as a list and as a stream: who gets which, from where, and when it ends. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scripted } from '../setup/bellhop.ts';
import { KEY, send, startTestApi, type TestApi } from './setup/api.ts';
import type { EventClient } from './setup/event-client.ts';
import { createEventRuns, type EventRuns, range } from './setup/event-runs.ts';

let api: TestApi;
let runs: EventRuns;
beforeAll(async () => {
  api = await startTestApi();
  runs = await createEventRuns(api);
});
afterAll(async () => await api.close());

const ids = (client: EventClient): number[] => client.events.map((event) => event.id);

describe('GET /v1/runs/{id}/events, by what the client accepts', () => {
  it.each([
    [undefined, 'json'],
    ['*/*', 'json'],
    ['application/json', 'json'],
    ['application/json, text/event-stream', 'json'],
    ['text/event-stream;q=0.5, application/json', 'json'],
    ['text/event-stream;q=0', 'json'],
    ['application/xml', 'json'],
    ['garbage', 'json'],
    ['text/event-stream', 'stream'],
    ['TEXT/Event-Stream; charset=utf-8', 'stream'],
    ['text/event-stream, */*;q=0.1', 'stream'],
    ['text/*', 'stream'],
  ])('%s is answered as %s', async (accept, kind) => {
    const runId = await runs.newRun();
    await runs.end(runId);
    const { status, headers, text } = await send(api.url, 'GET', `/v1/runs/${runId}/events`, {
      headers: { authorization: `Bearer ${KEY}`, accept },
    });
    expect(status).toBe(200);
    if (kind === 'json') expect(JSON.parse(text).items).toHaveLength(1);
    else expect(text).toMatch(/^id: 1\nevent: run\.cancelled\nretry: 3600000\ndata: \{[^\n]+\}\n\n$/);
    expect(headers['content-type']).toBe(
      kind === 'json' ? 'application/json; charset=utf-8' : 'text/event-stream; charset=utf-8',
    );
  });

  it('streams with headers that keep proxies from storing, changing or gathering it', async () => {
    const runId = await runs.newRun();
    const client = await runs.open(runId);
    expect(client.status).toBe(200);
    expect(client.headers).toMatchObject({
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
      connection: 'close',
    });
    expect(client.headers['content-encoding']).toBeUndefined();
    client.hangUp();
  });

  it('answers HEAD with the head of the stream and ends', async () => {
    const runId = await runs.newRun();
    const answer = await send(api.url, 'HEAD', `/v1/runs/${runId}/events`, {
      headers: { authorization: `Bearer ${KEY}`, accept: 'text/event-stream' },
    });
    expect([answer.status, answer.text]).toEqual([200, '']);
    expect(answer.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  });

  it.each(['application/json', 'text/event-stream'])(
    'is 404 for a run that does not exist (%s)',
    async (accept) => {
      const answer = await api.call('GET', `/v1/runs/${randomUUID()}/events`, { headers: { accept } });
      expect([answer.status, answer.body.code]).toEqual([404, 'not_found']);
    },
  );

  it('is 401 without a key, before anything is streamed', async () => {
    const client = await runs.open(await runs.newRun(), { authorization: 'Bearer wrong' });
    expect(client.status).toBe(401);
    client.hangUp();
  });
});

describe('a stream', () => {
  it('shows the same events as the list, without content, and ends after the last', async () => {
    await api.bellhop.sandbox.seedAccount({ userId: runs.userId, app: 'slack' });
    const call = { name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', text: 'canary-words' } };
    const task = scripted([{ toolCalls: [call] }, { content: 'canary-words' }]);
    const runId = await api.bellhop.start({ userId: runs.userId, task, tools: ['SLACK_SEND_MESSAGE'] });
    const live = await runs.open(runId);
    expect(await live.over).toBe('end');
    const { body } = await api.call('GET', `/v1/runs/${runId}/events?limit=100`);
    expect(live.events.map((event) => event.data)).toEqual(body.items);
    expect(live.events.map(({ id, event }) => [id, event])).toEqual(
      body.items.map((item: { seq: number; type: string }) => [item.seq, item.type]),
    );
    expect(live.events.at(0)?.data).toMatchObject({ seq: 1, type: 'run.started', runId });
    expect(live.events.at(-1)?.event).toBe('run.completed');
    expect(JSON.stringify(live.events)).not.toContain('canary-words');
    // A client that comes back by itself is told that it need not hurry.
    expect(live.retryMs()).toBe(3_600_000);
    expect(live.headers['content-type']).toContain('text/event-stream');
  });

  it('shows each event as it happens, and ends with the run', async () => {
    const runId = await runs.newRun();
    const client = await runs.open(runId);
    for (let n = 1; n <= 5; n += 1) {
      await runs.tell(runId);
      await client.got(n);
    }
    await runs.end(runId);
    expect(await client.over).toBe('end');
    expect(ids(client)).toEqual(range(1, 6));
  });

  it.each([
    ['completed', { status: 'completed', output: 'x' }],
    ['failed', { status: 'failed', error: { code: 'internal', message: 'x' } }],
    ['cancelled', { status: 'cancelled' }],
  ] as const)('ends after run.%s, for who reads along and for who asks afterwards', async (status, how) => {
    const runId = await runs.newRun();
    const along = await runs.open(runId);
    await runs.tell(runId, 3);
    await runs.end(runId, how);
    expect(await along.over).toBe('end');
    const afterwards = await runs.open(runId);
    expect(await afterwards.over).toBe('end');
    for (const client of [along, afterwards]) {
      expect(ids(client)).toEqual([1, 2, 3, 4]);
      expect(client.events.at(-1)?.event).toBe(`run.${status}`);
    }
  });

  it('goes on after each number that it is asked to, of an ended run', async () => {
    const runId = await runs.newRun();
    await runs.tell(runId, 10);
    await runs.end(runId);
    for (let n = 0; n <= 11; n += 1) {
      const client = await runs.open(runId, { 'last-event-id': String(n) });
      expect([n, client.status, await client.over]).toEqual([n, 200, 'end']);
      expect([n, ids(client)]).toEqual([n, range(n + 1, 11)]);
    }
  });

  it('goes on after each number that it is asked to, of a run that goes on', async () => {
    const runId = await runs.newRun();
    await runs.tell(runId, 5);
    const clients = await Promise.all(
      range(0, 5).map((n) => runs.open(runId, { 'last-event-id': String(n) })),
    );
    await runs.tell(runId, 5);
    await runs.end(runId);
    for (const [n, client] of clients.entries()) {
      expect(await client.over).toBe('end');
      expect([n, ids(client)]).toEqual([n, range(n + 1, 11)]);
    }
  });

  it('of more events than one page shows them all', async () => {
    const runId = await runs.newRun();
    await runs.tell(runId, 100);
    const client = await runs.open(runId);
    await client.got(100);
    await runs.tell(runId, 250);
    await client.got(350);
    await runs.end(runId);
    expect(await client.over).toBe('end');
    expect(ids(client)).toEqual(range(1, 351));
  });

  it('with an empty Last-Event-ID begins at the first event', async () => {
    const runId = await runs.newRun();
    await runs.end(runId);
    const client = await runs.open(runId, { 'last-event-id': '' });
    await client.over;
    expect(ids(client)).toEqual([1]);
  });

  it.each(['-1', '+1', '1.0', '1e3', '01', 'x', '1,2', '0x1', 'NaN', '9'.repeat(400), '1234567890'])(
    'with the Last-Event-ID %j is 400',
    async (id) => {
      const answer = await api.call('GET', `/v1/runs/${await runs.newRun()}/events`, {
        headers: { accept: 'text/event-stream', 'last-event-id': id },
      });
      expect([answer.status, answer.body.errors[0].at]).toEqual([400, 'header/last-event-id']);
    },
  );

  it('that should go on after an event which the run has not come to is 400, so that nothing is left out', async () => {
    const runId = await runs.newRun();
    await runs.tell(runId, 3);
    const answer = await api.call('GET', `/v1/runs/${runId}/events`, {
      headers: { accept: 'text/event-stream', 'last-event-id': '4' },
    });
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
  });
});
