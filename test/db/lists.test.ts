/** Users, audits and notices: keyset pages that stand still, one running audit, one notice per key. */
import { describe, expect, test } from 'vitest';
import { advanceAudit, finishAudit, getAudit, openAudit } from '../../db/audits.ts';
import { beginErasure } from '../../db/erasures.ts';
import { addNotice, getDelivery, listDeliveries, recordDelivery, reopenDelivery } from '../../db/notices.ts';
import { knownUserIds, listUsers, pageUserIds, putUser } from '../../db/users.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();

describe('users', () => {
  test('page in byte order, with ids up to 128 characters, and none is left out although users come and go', async () => {
    const made = ['B', 'Z-1', 'a', 'a.', 'a@b', 'b', '~', '0', 'x'.repeat(128), 'x'.repeat(127)];
    for (const id of made) await the().newUser(id);
    const seen: string[] = [];
    for (let after: string | null = null; ;) {
      const from: string | null = after;
      const page: readonly string[] = await the().system((tx) => pageUserIds(tx, { after: from, limit: 3 }));
      seen.push(...page);
      after = page.at(-1) ?? null;
      if (page.length === 0) break;
      if (after === 'Z-1') await the().raw(`delete from users where user_id = 'b'`);
      await the().newUser('000-early');
    }
    expect(seen).toEqual(made.filter((id) => id !== 'b').toSorted((a, b) => (a < b ? -1 : 1)));
    expect(
      (await the().system((tx) => listUsers(tx, { after: 'a', limit: 2 }))).map((u) => u.userId),
    ).toEqual(['a.', 'a@b']);
  });

  test('keep a field that is not given, and lose one that is given as null', async () => {
    const put = (fields: Parameters<typeof putUser>[2]) =>
      the().user('carol', (tx) => putUser(tx, 'carol', fields));
    expect(await put({ email: 'c@x.test', displayName: 'Carol', metadata: { a: 1 } })).toMatchObject({
      isNew: true,
    });
    expect(await put({ displayName: 'C' })).toMatchObject({
      isNew: false,
      user: { email: 'c@x.test', displayName: 'C', metadata: { a: 1 } },
    });
    expect((await put({ email: null })).user.email).toBeNull();
  });

  test('put by ten at once are new once', async () => {
    const puts = await Promise.all(
      Array.from({ length: 10 }, () => the().user('dave', (tx) => putUser(tx, 'dave', {}))),
    );
    expect(puts.filter((put) => put.isNew)).toHaveLength(1);
  });

  test('of a list of ids, the known ones are named', async () => {
    await the().newUser('known');
    expect(await the().system((tx) => knownUserIds(tx, ['known', 'Known', 'unknown']))).toEqual(
      new Set(['known']),
    );
    expect(await the().system((tx) => knownUserIds(tx, []))).toEqual(new Set());
  });
});

describe('audits', () => {
  const open = (id: string) =>
    the().system((tx) => openAudit(tx, { id, mode: 'users', workflowId: `audit-${id}` }));
  const step = (id: string, from: string | null, to: string | null) =>
    the().system((tx) =>
      advanceAudit(tx, id, {
        from,
        to,
        counts: { usersScanned: 5, broken: 1, notified: 1, skipped: 0, composioRequests: 2 },
      }),
    );

  test('run one at a time: of eight at once one opens, and the others are told which', async () => {
    const opened = await Promise.all(Array.from({ length: 8 }, (_, i) => open(`a${i}`)));
    const first = opened.find((o) => o.kind === 'opened')?.audit.id;
    expect(opened.filter((o) => o.kind === 'opened')).toHaveLength(1);
    expect(new Set(opened.map((o) => o.audit.id))).toEqual(new Set([first]));
    expect((await open(first ?? '')).kind).toBe('opened');
    await the().system((tx) => finishAudit(tx, first ?? '', 'completed'));
    expect((await open('next')).kind).toBe('opened');
    await the().system((tx) => finishAudit(tx, 'next', 'cancelled'));
  });

  test('count a step once: of four attempts that read one cursor one moves it', async () => {
    await open('steps');
    const moved = await Promise.all([1, 2, 3, 4].map(() => step('steps', null, 'm')));
    expect(moved.filter(Boolean)).toHaveLength(1);
    expect(await step('steps', 'x', 'z')).toBe(false);
    expect(await step('steps', 'm', 'z')).toBe(true);
    expect(await the().system((tx) => getAudit(tx, 'steps'))).toMatchObject({
      cursor: 'z',
      usersScanned: 10,
      broken: 2,
      composioRequests: 4,
    });
  });

  test('end once', async () => {
    await the().system((tx) => finishAudit(tx, 'steps', 'failed', 'x'));
    await the().system((tx) => finishAudit(tx, 'steps', 'completed'));
    expect((await the().system((tx) => getAudit(tx, 'steps')))?.status).toBe('failed');
  });
});

describe('notices', () => {
  const notice = (userId: string, dedupeKey: string) =>
    ({
      userId,
      type: 'connection.expired',
      dedupeKey,
      app: 'slack',
      flowId: null,
      runId: null,
      data: {},
    }) as const;

  test('are written once per key, with one delivery per channel', async () => {
    const userId = await the().newUser();
    const written = await Promise.all(
      Array.from({ length: 6 }, () =>
        the().user(userId, (tx) => addNotice(tx, notice(userId, 'once'), ['webhook'])),
      ),
    );
    expect(written.filter((id) => id !== null)).toHaveLength(1);
    const deliveries = await the().system((tx) => listDeliveries(tx, { before: null, limit: 99 }));
    expect(deliveries.filter(({ delivery }) => delivery.userId === userId)).toHaveLength(1);
  });

  test('count their attempts, and a delivered one stays delivered', async () => {
    const userId = await the().newUser();
    const id =
      (await the().user(userId, (tx) => addNotice(tx, notice(userId, 'counted'), ['webhook']))) ?? '';
    const record = (status: 'pending' | 'delivered' | 'failed', httpStatus: number | null) =>
      the().user(userId, (tx) => recordDelivery(tx, id, { status, httpStatus, error: null }));
    const now = () => the().user(userId, (tx) => getDelivery(tx, id));
    await record('pending', 500);
    await record('failed', 410);
    const failed = await now();
    expect(failed).toMatchObject({ status: 'failed', attempts: 2, lastStatus: 410, deliveredAt: null });
    expect(await the().system((tx) => reopenDelivery(tx, failed?.id ?? ''))).toMatchObject({
      noticeId: id,
      userId,
      status: 'pending',
    });
    await record('delivered', 200);
    await record('failed', 500);
    expect(await now()).toMatchObject({ status: 'delivered', attempts: 3, lastStatus: 200 });
    expect(await the().system((tx) => reopenDelivery(tx, failed?.id ?? ''))).toMatchObject({
      status: 'delivered',
    });
    expect(await the().system((tx) => reopenDelivery(tx, 'no such delivery'))).toBeNull();
  });

  test('in line are listed alone; those of a user who is being erased leave the line, and no other’s', async () => {
    const [mine, theirs, gone] = [await the().newUser(), await the().newUser(), await the().newUser()];
    const ids = new Map<string, string>();
    for (const userId of [mine, theirs, gone]) {
      const id = await the().user(userId, (tx) => addNotice(tx, notice(userId, userId), ['webhook']));
      ids.set(userId, id ?? '');
    }
    await the().user(theirs, (tx) =>
      recordDelivery(tx, ids.get(theirs) ?? '', { status: 'delivered', httpStatus: 200, error: null }),
    );
    const listed = async (status: 'pending' | 'delivered' | 'skipped') =>
      (await the().system((tx) => listDeliveries(tx, { status, before: null, limit: 99 })))
        .map(({ delivery }) => delivery.userId)
        .filter((userId) => ids.has(userId))
        .toSorted();
    expect(await listed('pending')).toEqual([mine, gone].toSorted());
    expect(await listed('delivered')).toEqual([theirs]);
    expect(await the().system((tx) => beginErasure(tx, { id: 'erasure', userId: gone }))).toMatchObject({
      isNew: true,
    });
    expect(await listed('pending')).toEqual([mine]);
    expect(await listed('skipped')).toEqual([gone]);
    expect(await listed('delivered')).toEqual([theirs]);
  });
});
