/** Streams under load and trouble: each event once and in order, whoever reads, however slowly, and whatever breaks meanwhile. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEventReader } from '../../api/event-reader.ts';
import { createEventStreams } from '../../api/event-streams.ts';
import { createRunChanges } from '../../api/run-changes.ts';
import { sendStream } from '../../api/send-stream.ts';
import { scripted } from '../setup/bellhop.ts';
import { remotesOf } from '../setup/sockets.ts';
import { until } from '../setup/until.ts';
import { startTestApi, type TestApi } from './setup/api.ts';
import { type EventClient, openEvents } from './setup/event-client.ts';
import { createEventRuns, type EventRuns, range } from './setup/event-runs.ts';

const READERS = 200;
let api: TestApi;
let runs: EventRuns;
beforeAll(async () => {
  api = await startTestApi({ observers: { streams: { heartbeatMs: 100 } } });
  runs = await createEventRuns(api);
});
afterAll(async () => await api.close());

const ids = (client: EventClient): number[] => client.events.map((event) => event.id);
const openMany = (runId: string, count: number) =>
  Promise.all(Array.from({ length: count }, () => runs.open(runId)));
const hungUp = () => until('all streams to be gone', async () => api.observers.eventStreams.size() === 0);

describe('200 readers of one run', () => {
  it('get every event exactly once, in order, while the connection that listens is killed twice', async () => {
    await api.bellhop.sandbox.seedAccount({ userId: runs.userId, app: 'slack' });
    const call = { name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'x' } };
    const turns = 20;
    const task = scripted([
      ...Array.from({ length: turns }, () => ({ toolCalls: [call] })),
      { content: 'Done.' },
    ]);
    await runs.listenerPid();
    const runId = await api.bellhop.start({
      userId: runs.userId,
      task,
      tools: ['SLACK_SEND_MESSAGE'],
      limits: { maxTurns: 40 },
    });
    const readers = await openMany(runId, READERS);
    const [one] = readers;
    await one?.got(10);
    await runs.killListener();
    await one?.got(30);
    await runs.killListener();
    expect(new Set(await Promise.all(readers.map((reader) => reader.over)))).toEqual(new Set(['end']));
    const { lastEventSeq } = await api.bellhop.run(runId);
    expect(lastEventSeq).toBeGreaterThanOrEqual(60);
    for (const reader of readers) expect(ids(reader)).toEqual(range(1, lastEventSeq));
    expect(one?.events.at(-1)?.event).toBe('run.completed');
  }, 180_000);

  it('who come back again and again, each with the last number that it saw, miss nothing and see nothing twice', async () => {
    const runId = await runs.newRun();
    const total = 60;
    const writing = (async () => {
      for (let n = 1; n < total; n += 1) await runs.tell(runId);
      await runs.end(runId);
    })();
    const seen = await Promise.all(
      Array.from({ length: READERS }, async (_, i) => {
        const numbers: number[] = [];
        while (numbers.length < total) {
          const last = numbers.at(-1);
          const client = await runs.open(runId, last === undefined ? {} : { 'last-event-id': String(last) });
          // Some hang up in the middle of a page, some between two events.
          await client.got(1 + (i % 7)).catch(() => client.over);
          client.hangUp();
          numbers.push(...ids(client));
        }
        return numbers;
      }),
    );
    await writing;
    for (const numbers of seen) expect(numbers).toEqual(range(1, total));
    await hungUp();
  });
});

describe('with LISTEN', () => {
  it('each of 60 events written one after the other comes long before the poll would find it', async () => {
    const runId = await runs.newRun();
    const client = await runs.open(runId);
    await runs.tell(runId);
    await client.got(1);
    await until('the run to be marked', async () => {
      const marked = await runs.inDatabase(
        `begin; set local role bellhop_system; select 1 from runs where id = '${runId}' and watched_until > now()`,
      );
      return marked.length > 0;
    });
    const started = performance.now();
    for (let n = 2; n <= 61; n += 1) {
      await runs.tell(runId);
      await client.got(n);
    }
    // The poll comes once a second, so 60 that wait for it each take about a minute.
    expect(performance.now() - started).toBeLessThan(45_000);
    client.hangUp();
  });
});

describe('without LISTEN', () => {
  it('a stream and a wait find what happens by the poll, in about a second', async () => {
    const polling = await startTestApi({ noWorker: true, observers: { listenUrl: null } });
    const own = await createEventRuns(polling);
    const runId = await own.newRun();
    const client = await own.open(runId);
    const waiting = polling.call('GET', `/v1/runs/${runId}?wait=30s`);
    await own.tell(runId, 3);
    await client.got(3);
    await own.end(runId);
    expect(await client.over).toBe('end');
    expect(ids(client)).toEqual([1, 2, 3, 4]);
    expect((await waiting).body.status).toBe('cancelled');
    await polling.close();
  });
});

describe('a reader', () => {
  it('of a run in which nothing happens hears heartbeats and no event, and then what happens', async () => {
    const runId = await runs.newRun();
    const client = await runs.open(runId);
    await until('ten heartbeats', async () => client.comments() >= 10);
    expect(client.events).toEqual([]);
    await runs.tell(runId);
    await client.got(1);
    client.hangUp();
  });

  it('who does not read costs no more than what the sockets hold, and gets everything when it reads again', async () => {
    const runId = await runs.newRun();
    const count = 3_000;
    const bytes = 8_000;
    await runs.inDatabase(`begin; set local role bellhop_system;
      insert into run_events (run_id, seq, user_id, type, data)
        select '${runId}', n, '${runs.userId}', 'tool.completed', jsonb_build_object('tool', repeat('x', ${bytes}))
        from generate_series(1, ${count}) n;
      update runs set last_event_seq = ${count} where id = '${runId}'; commit`);
    const changes = createRunChanges(api.bellhop.db, () => undefined);
    const readEvents = createEventReader(api.bellhop.db);
    let read = 0;
    const streams = createEventStreams({
      read: async (id, after) => {
        const page = await readEvents(id, after);
        read += page?.text.length ?? 0;
        return page;
      },
      changes,
      onError: () => undefined,
    });
    const server = express()
      .get(/.*/, (req, res) => {
        const gone = new AbortController();
        res.once('close', () => gone.abort());
        return sendStream(req, res, (sink) => streams.follow({ runId, after: 0 }, sink), gone.signal);
      })
      .listen(0);
    await once(server, 'listening');
    const client = await openEvents(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, runId);
    client.pause();
    let before = -1;
    await until('reading to stop', async () => {
      const isSame = read > 0 && read === before;
      before = read;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      return isSame;
    });
    // Loopback sockets hold up to 10 MB between them.
    expect(read).toBeLessThan((count * bytes) / 2);
    client.resume();
    await client.got(count);
    expect(ids(client)).toEqual(range(1, count));
    streams.close();
    expect(await client.over).toBe('end');
    changes.close();
    server.close();
  });

  it('who hangs up leaves nothing behind: no stream, no watched run, no socket', async () => {
    await hungUp();
    const before = remotesOf(process.pid).length;
    const runIds = await Promise.all(range(1, 20).map(() => runs.newRun()));
    const readers = (await Promise.all(runIds.map((runId) => openMany(runId, 5)))).flat();
    await until(
      'the streams to be counted',
      async () => api.observers.eventStreams.size() === readers.length,
    );
    expect(remotesOf(process.pid).length).toBeGreaterThanOrEqual(before + readers.length);
    for (const reader of readers) reader.hangUp();
    await hungUp();
    expect(api.observers.changes.size()).toBe(0);
    await until('the sockets to be gone', async () => remotesOf(process.pid).length <= before + 5);
  });

  it('of a run that is taken back is let go', async () => {
    const runId = await runs.newRun();
    const client = await runs.open(runId);
    await runs.inDatabase(
      `begin; set local role bellhop_system; delete from runs where id = '${runId}'; commit`,
    );
    expect(await client.over).toBe('end');
    expect(client.events).toEqual([]);
  });

  it('whose database connections are all killed goes on when the database answers again', async () => {
    const runId = await runs.newRun();
    const client = await runs.open(runId);
    await runs.tell(runId, 2);
    await client.got(2);
    await runs.inDatabase(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    );
    await until('the database to take an event again', () =>
      runs.tell(runId).then(
        () => true,
        () => false,
      ),
    );
    await client.got(3);
    await runs.end(runId);
    expect(await client.over).toBe('end');
    expect(ids(client)).toEqual([1, 2, 3, 4]);
  });
});

describe('a process', () => {
  it('with as many streams as it takes answers 503 with Retry-After, and takes another when one has gone', async () => {
    const small = await startTestApi({ noWorker: true, observers: { streams: { maxStreams: 2 } } });
    const own = await createEventRuns(small);
    const runId = await own.newRun();
    const [first] = [await own.open(runId), await own.open(runId)];
    const headers = { accept: 'text/event-stream' };
    const refused = await small.call('GET', `/v1/runs/${runId}/events`, { headers });
    expect([refused.status, refused.body.code, refused.headers['retry-after']]).toEqual([
      503,
      'unavailable',
      '5',
    ]);
    expect((await small.call('GET', `/v1/runs/${runId}/events`)).status).toBe(200);
    first.hangUp();
    await until('room', async () => small.observers.eventStreams.size() === 1);
    const third = await own.open(runId);
    expect(third.status).toBe(200);
    third.hangUp();
    await small.close();
  });

  it('that stops ends its streams at once, those of readers who do not read too, and takes no new one', async () => {
    const stopping = await startTestApi({ noWorker: true });
    const own = await createEventRuns(stopping);
    const runId = await own.newRun();
    await own.tell(runId, 3);
    const readers = await Promise.all(range(1, 50).map(() => own.open(runId)));
    await Promise.all(readers.map((reader) => reader.got(3)));
    const stuckRun = await own.newRun();
    await own.inDatabase(`begin; set local role bellhop_system;
      insert into run_events (run_id, seq, user_id, type, data)
        select '${stuckRun}', n, '${own.userId}', 'tool.completed', jsonb_build_object('tool', repeat('x', 100000))
        from generate_series(1, 300) n;
      update runs set last_event_seq = 300 where id = '${stuckRun}'; commit`);
    const stuck = await own.open(stuckRun);
    await stuck.got(1);
    stuck.pause();
    const started = performance.now();
    await stopping.observers.close();
    expect(stopping.observers.eventStreams.isFull()).toBe(true);
    await stopping.close();
    // Nobody waited for the reader who does not read, whose socket would be given up after minutes.
    expect(performance.now() - started).toBeLessThan(40_000);
    for (const reader of readers) expect([await reader.over, ids(reader)]).toEqual(['end', [1, 2, 3]]);
    stuck.resume();
    expect(await stuck.over).toBe('cut');
  });
});
