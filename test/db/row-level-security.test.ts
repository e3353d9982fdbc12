/** Whose rows a connection sees: nobody's without a role, one user's as bellhop_user, and nothing outlives its transaction. */
import { sql } from 'kysely';
import pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { addApproval } from '../../db/approvals.ts';
import { addLogEntry } from '../../db/audit-log.ts';
import { advanceAudit, finishAudit, openAudit } from '../../db/audits.ts';
import { appendEvents } from '../../db/events.ts';
import { recordConnections } from '../../db/connections.ts';
import { openEpisode } from '../../db/episodes.ts';
import { openAttempt } from '../../db/attempts.ts';
import { sha256 } from '../../db/ids.ts';
import { addNotice } from '../../db/notices.ts';
import { forUser } from '../../db/scope.ts';
import { usePortalLink } from '../../db/portal-links.ts';
import { putUser } from '../../db/users.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();
const SYSTEM_ONLY = [
  'api_keys',
  'audit_log',
  'audits',
  'ended_sessions',
  'erasures',
  'gauge_snapshots',
  'gone_receivers',
  'idempotency_keys',
  'request_budgets',
  'webhook_events',
];

/** One row in every table that belongs to a user. */
async function fill(userId: string): Promise<void> {
  const { user, system, newUser, newCall, newFlow, parkRun } = the();
  await newUser(userId);
  const { runId, callId } = await newCall(userId);
  await parkRun(userId);
  const flow = await newFlow(userId);
  await user(userId, async (tx) => {
    await openAttempt(tx, flow);
    await usePortalLink(tx, { link: sha256(userId), userId, session: sha256('session') });
    await openEpisode(tx, { userId, app: 'slack', accountId: 'ca_1', status: 'EXPIRED' });
    await addApproval(tx, {
      runId,
      callId,
      round: 1,
      userId,
      digest: 'd',
      accountId: 'ca_1',
      timeoutMs: 60_000,
    });
    await appendEvents(tx, { id: runId, userId }, [{ type: 'run.started' }]);
    await recordConnections(tx, userId, [
      {
        id: `ca_${userId}`,
        entityId: userId,
        app: 'slack',
        authConfigId: null,
        status: 'ACTIVE',
        statusReason: null,
        disabled: false,
        createdAt: '2026-01-01T00:00:00Z',
        updatedAt: '2026-01-01T00:00:00Z',
      },
    ]);
    const notice = {
      userId,
      type: 'run.failed',
      dedupeKey: userId,
      app: null,
      flowId: null,
      runId,
      data: {},
    } as const;
    await addNotice(tx, notice, ['webhook']);
  });
  await system(async (tx) => {
    const skipped = [{ userId, reason: 'refused' }] as const;
    const counts = { usersScanned: 1, broken: 0, notified: 0, skipped: 1, composioRequests: 1 };
    await openAudit(tx, { id: `audit-${userId}`, mode: 'users', workflowId: 'x' });
    await advanceAudit(tx, `audit-${userId}`, { from: null, to: userId, counts, skipped });
    await finishAudit(tx, `audit-${userId}`, 'completed');
    const by = { keyId: 'k', keyName: null, requestId: 'r' };
    await addLogEntry(tx, {
      by,
      action: 'run.cancel_requested',
      details: { runId },
      userId,
      actor: 'someone',
    });
  });
}

async function tables(): Promise<string[]> {
  const rows = await the().raw<{ name: string }>(
    `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and n.nspname = 'public' and c.relname not like 'kysely%' order by 1`,
  );
  return rows.map((row) => row.name);
}

beforeAll(async () => {
  await fill('alice');
  await fill('bob');
});

describe('every table', () => {
  test('has row-level security, forced on its owner', async () => {
    const rows = await the().raw<{ relname: string; on: boolean; forced: boolean }>(
      `select relname, relrowsecurity as on, relforcerowsecurity as forced from pg_class
       where relname = any($1) and relkind = 'r' order by 1`,
      [await tables()],
    );
    expect(rows.length).toBeGreaterThan(10);
    expect(rows.filter((row) => !row.on || !row.forced)).toEqual([]);
  });

  test('has exactly the system’s policy and, but for those that span users, the user’s', async () => {
    const policies = await the().raw<{
      tablename: string;
      roles: string;
      cmd: string;
      qual: string;
      check: string;
    }>(
      `select tablename, array_to_string(roles, ',') as roles, cmd, qual, with_check as check
       from pg_policies where schemaname = 'public'`,
    );
    for (const table of await tables()) {
      const own = policies.filter((policy) => policy.tablename === table);
      const expected = SYSTEM_ONLY.includes(table) ? ['bellhop_system'] : ['bellhop_system', 'bellhop_user'];
      expect([table, own.map((policy) => policy.roles).sort()]).toEqual([table, expected]);
      for (const policy of own) {
        const condition =
          policy.roles === 'bellhop_user' ? /^\(user_id = current_setting\('bellhop\.user_id'/ : /^true$/;
        expect(policy).toMatchObject({ cmd: 'ALL', qual: expect.stringMatching(condition) });
        expect(policy.check).toBe(policy.qual);
      }
    }
  });

  test('that has a user_id column belongs to users, and has a row of both users here', async () => {
    const rows = await the().raw<{ table_name: string }>(
      `select table_name from information_schema.columns where table_schema = 'public' and column_name = 'user_id'`,
    );
    const withUsers = rows.map((row) => row.table_name).sort();
    expect(withUsers).toEqual((await tables()).filter((table) => !SYSTEM_ONLY.includes(table)));
    for (const table of withUsers) {
      const [row] = await the().raw<{ n: number }>(`select count(distinct user_id)::int as n from ${table}`);
      expect([table, row?.n]).toEqual([table, 2]);
    }
  });
});

describe('the owner without a role', () => {
  test('is no superuser, and sees not one row of any table', async () => {
    const client = new pg.Client({ connectionString: the().url });
    await client.connect();
    try {
      const me = await client.query(
        `select rolsuper, rolbypassrls from pg_roles where rolname = current_user`,
      );
      expect(me.rows).toEqual([{ rolsuper: false, rolbypassrls: false }]);
      for (const table of await tables()) {
        const { rows } = await client.query<{ n: number }>(`select count(*)::int as n from ${table}`);
        expect([table, rows[0]?.n]).toEqual([table, 0]);
      }
      await expect(client.query(`insert into users (user_id) values ('mallory')`)).rejects.toThrow(
        /row-level security/,
      );
      await client.query(`select set_config('bellhop.user_id', 'alice', false)`);
      expect((await client.query('select 1 from users')).rowCount).toBe(0);
    } finally {
      await client.end();
    }
  });
});

describe('a user’s transaction', () => {
  test('sees this user’s rows of every table, and no other’s', async () => {
    for (const table of await tables()) {
      if (SYSTEM_ONLY.includes(table)) continue;
      const { rows } = await the().user('alice', (tx) =>
        sql<{ user_id: string }>`select distinct user_id from ${sql.table(table)}`.execute(tx),
      );
      expect([table, rows]).toEqual([table, [{ user_id: 'alice' }]]);
    }
  });

  test('may not even ask for the tables that span users', async () => {
    for (const table of SYSTEM_ONLY) {
      await expect(
        the().user('alice', (tx) => sql`select 1 from ${sql.table(table)}`.execute(tx)),
      ).rejects.toThrow(/permission denied/);
    }
  });

  test('changes and deletes nothing of another user’s, and cannot write in another’s name', async () => {
    await the().user('alice', async (tx) => {
      expect(
        (await tx.updateTable('users').set({ email: 'x' }).where('user_id', '=', 'bob').executeTakeFirst())
          .numUpdatedRows,
      ).toBe(0n);
      expect(
        (
          await tx
            .updateTable('tool_calls')
            .set({ status: 'done' })
            .where('user_id', '=', 'bob')
            .executeTakeFirst()
        ).numUpdatedRows,
      ).toBe(0n);
      expect(
        (await tx.deleteFrom('connections').where('user_id', '=', 'bob').executeTakeFirst()).numDeletedRows,
      ).toBe(0n);
      expect(
        (await tx.deleteFrom('users').where('user_id', '=', 'bob').executeTakeFirst()).numDeletedRows,
      ).toBe(0n);
    });
    await expect(the().user('alice', (tx) => putUser(tx, 'mallory', {}))).rejects.toThrow(
      /row-level security/,
    );
    await expect(the().user('alice', (tx) => putUser(tx, 'bob', { email: 'x' }))).rejects.toThrow(
      /row-level security/,
    );
    await expect(
      the().user('alice', (tx) => tx.updateTable('runs').set({ user_id: 'bob' }).execute()),
    ).rejects.toThrow(/row-level security/);
    const [bob] = await the().raw<{ email: string | null }>(`select email from users where user_id = 'bob'`);
    expect(bob).toEqual({ email: null });
  });

  test.each(['', 'default', '.', 'a,b', "alice' or true --", 'x'.repeat(129)])(
    'is refused for %j',
    async (userId) => {
      let hasRun = false;
      await expect(forUser(the().db, userId, async () => void (hasRun = true))).rejects.toThrow(RangeError);
      expect(hasRun).toBe(false);
    },
  );

  test('leaves neither role nor user on its connection, committed or rolled back', async () => {
    const { createDatabase } = await import('../../db/pool.ts');
    const single = createDatabase({ url: the().url, name: 'test', maxConnections: 1 });
    try {
      const state = async () =>
        (
          await sql<{ role: string; id: string | null; n: number }>`select current_user::text as role,
            current_setting('bellhop.user_id', true) as id, (select count(*)::int from users) as n`.execute(
            single,
          )
        ).rows[0];
      const { role } = (await state()) ?? {};
      await forUser(single, 'alice', async () => undefined);
      expect(await state()).toEqual({ role, id: '', n: 0 });
      await forUser(single, 'bob', () => Promise.reject(new Error('no'))).catch(() => undefined);
      expect(await state()).toEqual({ role, id: '', n: 0 });
    } finally {
      await single.destroy();
    }
  });

  test('of many users at once on few connections never mixes them', async () => {
    const { user, newUser } = the();
    const ids = await Promise.all(Array.from({ length: 40 }, (_, i) => newUser(`many-${i}`)));
    const seen = await Promise.all(
      [...ids, ...ids, ...ids].map((id) =>
        user(id, async (tx) => [
          id,
          (await tx.selectFrom('users').select('user_id').execute()).map((r) => r.user_id),
        ]),
      ),
    );
    expect(seen.filter(([id, rows]) => rows?.length !== 1 || rows[0] !== id)).toEqual([]);
  });
});

describe('the system’s transaction', () => {
  test('sees all users’ rows', async () => {
    const rows = await the().system((tx) => tx.selectFrom('runs').select('user_id').distinct().execute());
    expect(rows.map((row) => row.user_id).sort()).toEqual(['alice', 'bob']);
  });
});
