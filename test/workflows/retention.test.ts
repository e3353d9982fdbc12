/** What is over and old goes, what anything still needs stays, and the space is given back. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openAttempt } from '../../db/attempts.ts';
import { openEpisode } from '../../db/episodes.ts';
import { endFlow, openFlow } from '../../db/flows.ts';
import { addNotice } from '../../db/notices.ts';
import { asSystem, forUser } from '../../db/scope.ts';
import { RETENTION } from '../../workflows/messages.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';

const DAY_MS = 86_400_000;
let database: TestDatabase;
let bellhop: TestBellhop;
let superuser: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  const retention = {
    runsMs: 90 * DAY_MS,
    eventsMs: 30 * DAY_MS,
    deliveriesMs: 30 * DAY_MS,
    flowsMs: 30 * DAY_MS,
    auditsMs: 90 * DAY_MS,
  };
  bellhop = await startTestBellhop({ databaseUrl: database.url, settings: { retention } });
  superuser = new pg.Client({ connectionString: database.superuserUrl });
  await superuser.connect();
});
afterAll(async () => {
  await superuser.end();
  await bellhop.close();
  await database.drop();
});

const pass = (): Promise<Record<string, number>> =>
  bellhop.client.workflow.execute(RETENTION, {
    workflowId: `retention-${randomUUID()}`,
    taskQueue: bellhop.taskQueue,
  });
const count = async (statement: string, values: readonly unknown[] = []): Promise<number> =>
  (await superuser.query<{ n: number }>(`select count(*)::int as n from ${statement}`, [...values])).rows[0]
    ?.n ?? -1;
// What an attempt that failed has left is not counted in the next one.
beforeEach(async () => {
  await pass();
  for (const table of ['audits', 'idempotency_keys', 'portal_links', 'ended_sessions'])
    await superuser.query(`delete from ${table}`);
});
const newUser = async (): Promise<string> => {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  return userId;
};
/** A run that has ended so many days ago, with a message and an event. */
async function endedRun(userId: string, threadId: string, daysAgo: number): Promise<string> {
  const id = await bellhop.accept({ userId, threadId, task: 'kept or not', tools: ['SLACK_SEND_MESSAGE'] });
  await superuser.query(
    `update runs set status = 'completed', started_at = now(), finished_at = now() - $2::int * interval '1 day' where id = $1`,
    [id, daysAgo],
  );
  await superuser.query(
    `update threads set active_run_id = null, created_at = now() - $2::int * interval '1 day' where id = $1`,
    [threadId, daysAgo],
  );
  await superuser.query(
    `insert into run_events (run_id, seq, user_id, type) values ($1, 1, $2, 'run.started')`,
    [id, userId],
  );
  return id;
}

test('old runs go with their transcripts and threads; a thread that is still used keeps all of its own', async () => {
  const userId = await newUser();
  const [unused, used, busy] = [randomUUID(), randomUUID(), randomUUID()];
  const gone = await endedRun(userId, unused, 91);
  const kept = [
    await endedRun(userId, used, 400),
    await endedRun(userId, used, 89),
    await endedRun(userId, busy, 400),
    await bellhop.accept({ userId, threadId: busy, task: 'x', tools: ['SLACK_SEND_MESSAGE'] }),
  ];
  // Accepted only: the sweep of others does not start it here.
  expect(await pass()).toMatchObject({ runs: 1, threads: 1 });
  expect(await count('runs where id = $1', [gone])).toBe(0);
  expect(await count('messages where run_id = $1', [gone])).toBe(0);
  expect(await count('threads where id = $1', [unused])).toBe(0);
  for (const id of kept) {
    expect(await count('runs where id = $1', [id])).toBe(1);
    expect(await count('messages where run_id = $1', [id])).toBe(1);
  }
  // Events go sooner than their runs.
  expect(await count('run_events where run_id = any($1)', [kept])).toBe(0);
});

test('events of a run younger than their time stay', async () => {
  const userId = await newUser();
  const young = await endedRun(userId, randomUUID(), 29);
  await pass();
  expect(await count('run_events where run_id = $1', [young])).toBe(1);
});

test('notices go when they are delivered and old, but not one whose cause is still there or that is in line', async () => {
  const userId = await newUser();
  const { db } = bellhop;
  const add = async (app: string | null, status: 'delivered' | 'pending'): Promise<string> => {
    const notice = {
      userId,
      type: 'connection.expired',
      dedupeKey: randomUUID(),
      app,
      flowId: null,
      runId: null,
      data: {},
    } as const;
    const id = (await forUser(db, userId, (tx) => addNotice(tx, notice, ['webhook']))) ?? '';
    await superuser.query(`update deliveries set status = $2 where notice_id = $1`, [id, status]);
    await superuser.query(`update notices set created_at = now() - interval '31 days' where id = $1`, [id]);
    return id;
  };
  await forUser(db, userId, (tx) =>
    openEpisode(tx, { userId, app: 'slack', accountId: 'ca_1', status: 'EXPIRED' }),
  );
  const [old, broken, inLine] = [
    await add('gmail', 'delivered'),
    await add('slack', 'delivered'),
    await add('gmail', 'pending'),
  ];
  expect(await pass()).toMatchObject({ notices: 1 });
  expect(await count('notices where id = $1', [old])).toBe(0);
  expect(await count('deliveries where notice_id = $1', [old])).toBe(0);
  expect(await count('notices where id = any($1)', [[broken, inLine]])).toBe(2);
});

test('ended flows go with their attempts, but not while an account of theirs waits for its deletion at Composio', async () => {
  const userId = await newUser();
  const ended = async (app: string, accountId: string | null, cleaned: boolean): Promise<string> => {
    const asked = { userId, app, appName: app, reconnect: false, returnUrl: null, timeoutMs: 1_000 };
    return forUser(bellhop.db, userId, async (tx) => {
      const { flow } = await openFlow(tx, asked);
      const { attempt } = await openAttempt(tx, flow);
      await tx
        .updateTable('connection_attempts')
        .set({ account_id: accountId, status: 'superseded', cleaned_at: cleaned ? new Date() : null })
        .where('id', '=', attempt.id)
        .execute();
      await endFlow(tx, flow.id, 'cancelled', 'test');
      await tx
        .updateTable('connection_flows')
        .set({ ended_at: new Date(Date.now() - 31 * DAY_MS) })
        .where('id', '=', flow.id)
        .execute();
      return flow.id;
    });
  };
  const [gone, clean, dirty] = [
    await ended('slack', null, false),
    await ended('gmail', 'ca_clean', true),
    await ended('notion', 'ca_dirty', false),
  ];
  const open = await forUser(bellhop.db, userId, (tx) =>
    openFlow(tx, { userId, app: 'slack', appName: 'Slack', reconnect: false, returnUrl: null, timeoutMs: 1 }),
  );
  expect(await pass()).toMatchObject({ flows: 2 });
  expect(await count('connection_flows where id = any($1)', [[gone, clean]])).toBe(0);
  expect(await count('connection_attempts where flow_id = any($1)', [[gone, clean]])).toBe(0);
  expect(await count('connection_flows where id = any($1)', [[dirty, open.flow.id]])).toBe(2);
});

test('old audits, Idempotency-Keys and sessions go, young and running ones stay', async () => {
  const userId = await newUser();
  await asSystem(bellhop.db, async (tx) => {
    const old = new Date(Date.now() - 91 * DAY_MS);
    const row = { mode: 'users', workflow_id: 'w', cursor: null, error: null } as const;
    await tx
      .insertInto('audits')
      .values([
        { ...row, id: 'old', status: 'completed', started_at: old, finished_at: old },
        { ...row, id: 'young', status: 'completed', finished_at: new Date() },
        { ...row, id: 'running', started_at: old },
      ])
      .execute();
    const key = { owner: 'o', body_digest: 'd', run_id: 'r' };
    await tx
      .insertInto('idempotency_keys')
      .values([
        { ...key, key: 'old', created_at: new Date(Date.now() - 3 * DAY_MS) },
        { ...key, key: 'young' },
      ])
      .execute();
    const [oldHash, youngHash] = [Buffer.from('old'), Buffer.from('young')];
    const yesterday = new Date(Date.now() - 2 * DAY_MS);
    await tx
      .insertInto('portal_links')
      .values([
        { link: oldHash, user_id: userId, session: oldHash, used_at: yesterday },
        { link: youngHash, user_id: userId, session: youngHash },
      ])
      .execute();
    await tx
      .insertInto('ended_sessions')
      .values([{ session: oldHash, ended_at: yesterday }, { session: youngHash }])
      .execute();
  });
  expect(await pass()).toMatchObject({ audits: 1, keys: 1, links: 1, sessions: 1 });
  expect(await count(`audits where id in ('young', 'running')`)).toBe(2);
  expect(await count(`idempotency_keys where key = 'young'`)).toBe(1);
  expect([await count('portal_links'), await count('ended_sessions')]).toEqual([1, 1]);
});

test('the space of what went is given back to the disk', async () => {
  const userId = await newUser();
  const size = async (): Promise<number> =>
    (await superuser.query<{ n: string }>(`select pg_total_relation_size('messages') as n`)).rows.map((row) =>
      Number(row.n),
    )[0] ?? 0;
  await superuser.query(
    `insert into threads (user_id, id, created_at) select $1, 't' || n, now() - interval '100 days' from generate_series(1, 1500) n`,
    [userId],
  );
  await superuser.query(
    `insert into runs (id, user_id, thread_id, task, tools, on_missing_connection, connect_timeout_ms, approvals, on_unknown_outcome, limits, status, finished_at)
     select 'r' || n, $1, 't' || n, 'x', '{}', 'wait', 1, '{}', 'continue', '{}', 'completed', now() - interval '100 days' from generate_series(1, 1500) n`,
    [userId],
  );
  await superuser.query(
    `insert into messages (run_id, turn, user_id, role, content)
     select 'r' || n, turn, $1, 'user', repeat(md5(n::text), 40) from generate_series(1, 1500) n, generate_series(0, 3) turn`,
    [userId],
  );
  const full = await size();
  expect(await pass()).toMatchObject({ runs: 1_500, threads: 1_500 });
  const after = await size();
  console.log(`messages: ${full} bytes before, ${after} after`);
  expect(after).toBeLessThan(full / 4);
});
