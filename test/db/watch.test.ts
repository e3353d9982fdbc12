/** Who follows a run is told of its changes; runs that nobody follows tell nobody, and the listener comes back by itself. */
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { appendEvents } from '../../db/events.ts';
import { listenToRuns } from '../../db/listen.ts';
import { finishRun, requestCancel, setRunStatus, touchRun } from '../../db/runs.ts';
import { RUN_CHANNEL, watchRuns } from '../../db/watch.ts';
import { until } from '../setup/until.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();
let listener: pg.Client;
const heard: string[] = [];
beforeAll(async () => {
  listener = new pg.Client({ connectionString: the().url });
  await listener.connect();
  listener.on('notification', ({ payload }) => heard.push(payload ?? ''));
  await listener.query(`listen ${RUN_CHANNEL}`);
});
afterAll(() => listener.end());

const watch = (...ids: string[]) => the().system((tx) => watchRuns(tx, ids));
const tell = (run: { id: string; userId: string }, count = 1) =>
  the().user(run.userId, (tx) =>
    appendEvents(
      tx,
      run,
      Array.from({ length: count }, () => ({ type: 'tool.completed' as const })),
    ),
  );
const newRun = async () => the().newRun(await the().newUser());
/** What was heard of the run, after everything that was committed before has been heard. */
async function heardOf(runId: string): Promise<number> {
  const mark = `mark-${heard.length}-${runId}`;
  await the().raw(`select pg_notify('${RUN_CHANNEL}', $1)`, [mark]);
  await until('the mark', async () => heard.includes(mark));
  return heard.filter((payload) => payload === runId).length;
}
const markOf = async (runId: string) =>
  (
    await the().raw<{ s: number }>(
      'select extract(epoch from watched_until - now())::float8 as s from runs where id = $1',
      [runId],
    )
  )[0]?.s;

describe('a run that nobody watches', () => {
  test('tells nobody of its events, its status or its end', async () => {
    const run = await newRun();
    await tell(run);
    await the().user(run.userId, (tx) => setRunStatus(tx, run.id, 'waiting_for_connection'));
    await the().user(run.userId, (tx) => finishRun(tx, run.id, { status: 'cancelled' }));
    expect(await heardOf(run.id)).toBe(0);
  });

  test('any more tells nobody', async () => {
    const run = await newRun();
    await watch(run.id);
    await the().raw(`update runs set watched_until = now() - interval '1 second' where id = $1`, [run.id]);
    await tell(run);
    expect(await heardOf(run.id)).toBe(0);
  });
});

describe('a watched run', () => {
  test('tells of each transaction that wrote events or changed its status, once, and of no other change', async () => {
    const run = await newRun();
    expect(await watch(run.id)).toEqual([]);
    expect(await heardOf(run.id)).toBe(0);
    await tell(run);
    expect(await heardOf(run.id)).toBe(1);
    await tell(run, 5);
    expect(await heardOf(run.id)).toBe(2);
    await the().user(run.userId, (tx) => setRunStatus(tx, run.id, 'waiting_for_connection'));
    expect(await heardOf(run.id)).toBe(3);
    await the().system((tx) => touchRun(tx, run.id));
    await the().system((tx) => requestCancel(tx, run.id));
    expect(await heardOf(run.id)).toBe(3);
    await the().user(run.userId, async (tx) => {
      await finishRun(tx, run.id, { status: 'cancelled' });
      await appendEvents(tx, run, [{ type: 'run.cancelled' }]);
    });
    expect(await heardOf(run.id)).toBe(4);
  });

  test('tells nobody of what was rolled back', async () => {
    const run = await newRun();
    await watch(run.id);
    const rolledBack = the().user(run.userId, async (tx) => {
      await appendEvents(tx, run, [{ type: 'tool.completed' }]);
      throw new Error('no');
    });
    await expect(rolledBack).rejects.toThrow('no');
    expect(await heardOf(run.id)).toBe(0);
  });

  test('keeps a mark that is new enough, and gets a new one in time', async () => {
    const run = await newRun();
    await watch(run.id);
    await the().raw(`update runs set watched_until = now() + interval '80 seconds' where id = $1`, [run.id]);
    await watch(run.id);
    expect(await markOf(run.id)).toBeLessThan(81);
    await the().raw(`update runs set watched_until = now() + interval '65 seconds' where id = $1`, [run.id]);
    await watch(run.id);
    expect(await markOf(run.id)).toBeGreaterThan(100);
  });
});

describe('watching', () => {
  test('waits for no row that is being written: that run is left for the next try, the others are marked', async () => {
    const [busy, free] = [await newRun(), await newRun()];
    await the().user(busy.userId, async (tx) => {
      await appendEvents(tx, busy, [{ type: 'tool.completed' }]);
      expect(await watch(busy.id, free.id)).toEqual([busy.id]);
    });
    expect(await markOf(free.id)).toBeGreaterThan(100);
    expect(await watch(busy.id, free.id)).toEqual([]);
    expect(await markOf(busy.id)).toBeGreaterThan(100);
  });

  test('leaves ended runs and runs that do not exist alone', async () => {
    const run = await newRun();
    await the().user(run.userId, (tx) => finishRun(tx, run.id, { status: 'cancelled' }));
    expect(await watch(run.id, 'nothing')).toEqual([]);
    expect(await markOf(run.id)).toBeNull();
  });
});

describe('the listener', () => {
  const pidOf = async (name: string) =>
    (
      await the().raw<{ pid: number }>('select pid from pg_stat_activity where application_name = $1', [name])
    )[0]?.pid;
  const listen = (name: string, url = the().url) => {
    const said: string[] = [];
    const told = listenToRuns({
      url,
      name,
      onChange: (runId) => said.push(runId),
      onReady: () => said.push('ready'),
      onLost: (error) => said.push(`lost: ${error instanceof Error ? error.message : String(error)}`),
    });
    return {
      said,
      close: () => told.close(),
      has: (n: number) => until(`${n}`, async () => said.length >= n),
    };
  };

  test('whose connection is killed says so once, comes back, hears again, and hangs up when closed', async () => {
    const run = await newRun();
    await watch(run.id);
    const one = listen('listener-killed');
    await one.has(1);
    await the().raw('select pg_terminate_backend($1)', [await pidOf('listener-killed')]);
    await one.has(3);
    await tell(run);
    await one.has(4);
    expect([one.said[0], one.said[1]?.slice(0, 5), one.said[2], one.said[3]]).toEqual([
      'ready',
      'lost:',
      'ready',
      run.id,
    ]);
    await one.close();
    await until('no connection', async () => (await pidOf('listener-killed')) === undefined);
  });

  test('of a database that cannot be reached says so once, tries on, and ends when closed', async () => {
    const one = listen('listener-nowhere', 'postgres://x:x@127.0.0.1:1/x');
    await one.has(1);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(one.said).toEqual([expect.stringContaining('ECONNREFUSED')]);
    const started = performance.now();
    await one.close();
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  test('behind a pooler that forgets who listens says what to set', async () => {
    const pooler = await startForgetfulPooler(the().url);
    const one = listen('listener-pooler', pooler.url);
    await one.has(1);
    expect(one.said[0]).toContain('DATABASE_DIRECT_URL');
    await one.close();
    pooler.close();
  });
});

/** Passes everything on but notifications, as a pooler does that gives its connections away after each transaction. */
async function startForgetfulPooler(url: string): Promise<{ url: string; close: () => void }> {
  const { hostname, port } = new URL(url);
  const NOTIFICATION = 'A'.charCodeAt(0);
  const server = createServer((client: Socket) => {
    const upstream = connect(Number(port), hostname);
    client.pipe(upstream);
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
    let rest = Buffer.alloc(0);
    upstream.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      // One byte of type, four of length that count themselves.
      while (rest.length >= 5 && rest.length >= 1 + rest.readUInt32BE(1)) {
        const message = rest.subarray(0, 1 + rest.readUInt32BE(1));
        rest = rest.subarray(message.length);
        if (message[0] !== NOTIFICATION) client.write(message);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const behind = new URL(url);
  behind.port = String((server.address() as AddressInfo).port);
  return { url: behind.href, close: () => server.close() };
}
