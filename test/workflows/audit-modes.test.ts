/** Both ways of auditing, on generated populations: the same users are told of the same apps, and they are the right ones. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openAttempt, setAttemptAccount } from '../../db/attempts.ts';
import { openFlow } from '../../db/flows.ts';
import { asSystem, forUser } from '../../db/scope.ts';
import { type AuditMode, CONNECTION_STATUSES, isBrokenStatus } from '../../domain/statuses.ts';
import { AUDIT_CONNECTIONS, type AuditResult, auditWorkflowId } from '../../workflows/messages.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';

let bellhop: TestBellhop;
beforeAll(async () => {
  bellhop = await startTestBellhop();
});
afterAll(() => bellhop.close());

const ID_LENGTH = 128;
const account = fc.record({
  app: fc.constantFrom('slack', 'gmail', 'notion'),
  status: fc.constantFrom(...CONNECTION_STATUSES, 'ACTIVE' as const, 'EXPIRED' as const),
  disabled: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
  /** Of a click on our link that was never accepted. */
  isUnfinished: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
  day: fc.integer({ min: 1, max: 28 }),
});
const user = fc.record({
  id: fc.constantFrom('short', 'long', 'upper'),
  isRegistered: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false)),
  accounts: fc.array(account, { maxLength: 4 }),
  /** Told of it before this audit: the app works by now, or its account is gone, or it still does not. */
  toldBefore: fc.option(fc.constantFrom('slack', 'gmail', 'notion'), { nil: null, freq: 4 }),
});
const population = fc.record({
  users: fc.array(user, { maxLength: 24 }),
  maxPageSize: fc.constantFrom(1, 3, 100),
});
type Seed = { readonly userId: string; readonly accountId: string } & ReturnType<
  typeof account.generate
>['value'];

async function audit(mode: AuditMode): Promise<AuditResult> {
  const auditId = randomUUID();
  return (await bellhop.client.workflow.execute(AUDIT_CONNECTIONS, {
    workflowId: auditWorkflowId(auditId),
    taskQueue: bellhop.taskQueue,
    args: [{ auditId, mode }],
  })) as AuditResult;
}

/** `<user> <app> <status told>` of each open episode, with how many notices it has. */
async function told(): Promise<string[]> {
  const { rows } = await asSystem(bellhop.db, (tx) =>
    sql<{ line: string }>`
      select e.user_id || ' ' || e.app || ' ' || e.status || ' ×' ||
        (select count(*) from notices n where n.dedupe_key = 'episode:' || e.id) as line
      from connection_episodes e where e.closed_at is null order by 1`.execute(tx),
  );
  return rows.map((row) => row.line);
}

/** As if nobody had ever been told, but for those who were before. */
async function forget(toldBefore: readonly (readonly [string, string])[]): Promise<void> {
  await asSystem(bellhop.db, async (tx) => {
    await sql`delete from notices`.execute(tx);
    await sql`delete from connection_episodes`.execute(tx);
    await sql`delete from connection_flows where not exists (
      select 1 from connection_attempts a where a.flow_id = connection_flows.id)`.execute(tx);
    for (const [userId, app] of toldBefore)
      await sql`insert into connection_episodes (id, user_id, app, account_id, status)
        values (${randomUUID()}, ${userId}, ${app}, 'ca_before', 'EXPIRED')`.execute(tx);
  });
}

/** The rule as the contract words it, told anew here. */
function stoppedApps(seeds: readonly Seed[], userId: string): string[] {
  const apps = new Set(seeds.filter((seed) => seed.userId === userId).map((seed) => seed.app));
  return [...apps].filter((app) => {
    const counting = seeds.filter((seed) => seed.userId === userId && seed.app === app && !seed.isUnfinished);
    const works = counting.some((seed) => seed.status === 'ACTIVE' && !seed.disabled);
    return !works && counting.some((seed) => isBrokenStatus(seed.status));
  });
}

async function plant({ users }: ReturnType<typeof population.generate>['value']) {
  const run = randomUUID().slice(0, 8);
  const ids = users.map(({ id }, i) => {
    const short = `${run}.a${id === 'upper' ? i - 1 : i}`;
    return { short, upper: short.toUpperCase(), long: short.padEnd(ID_LENGTH, '~') }[id];
  });
  const registered = new Set(ids.filter((_, i) => users[i]?.isRegistered));
  const seeds: Seed[] = users.flatMap(({ accounts }, i) =>
    accounts.map((one, n) => ({ ...one, userId: ids[i] ?? '', accountId: `ca_${run}_${i}_${n}` })),
  );
  for (const userId of registered) await bellhop.putUser(userId);
  await bellhop.sandbox.seedAccounts(
    seeds.map(({ userId, app, status, disabled, accountId, day }) => ({
      id: accountId,
      userId,
      app,
      status,
      disabled,
      createdAt: `2026-01-${String(day).padStart(2, '0')}T00:00:00.000Z`,
    })),
  );
  for (const { userId, app, accountId } of seeds.filter((seed) => seed.isUnfinished)) {
    if (!registered.has(userId)) continue;
    await forUser(bellhop.db, userId, async (tx) => {
      const flow = { userId, app, appName: app, reconnect: false, returnUrl: null, timeoutMs: 600_000 };
      const { attempt } = await openAttempt(tx, (await openFlow(tx, flow)).flow);
      await setAttemptAccount(tx, attempt.id, accountId);
    });
  }
  return { ids, registered, seeds };
}

test('tell the same users of the same apps: those whose app has stopped working, each once', async () => {
  let seen = 0;
  await fc.assert(
    fc.asyncProperty(population, async (people) => {
      // Those of an attempt that failed are strangers from now on.
      await asSystem(bellhop.db, (tx) => tx.deleteFrom('users').execute());
      await bellhop.sandbox.updateSettings({ maxPageSize: people.maxPageSize });
      const { ids, registered, seeds } = await plant(people);
      const toldBefore = people.users.flatMap(({ toldBefore: app }, i) => {
        const userId = ids[i] ?? '';
        // One whose only usable-looking accounts are disabled stays told until one works: not what is compared here.
        const isOdd = seeds.some((seed) => seed.userId === userId && seed.app === app && seed.disabled);
        return app === null || !registered.has(userId) || isOdd ? [] : [[userId, app] as const];
      });
      const results: AuditResult[] = [];
      const lines: string[][] = [];
      for (const mode of ['users', 'status'] as const) {
        await forget(toldBefore);
        results.push(await audit(mode));
        lines.push(await told());
      }
      const stopped = [...registered].flatMap((userId) =>
        stoppedApps(seeds, userId).map((app) => `${userId} ${app}`),
      );
      const isOld = (pair: string) => toldBefore.some(([userId, app]) => pair === `${userId} ${app}`);
      expect(lines[0]?.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual(stopped.sort());
      for (const line of lines[0] ?? [])
        expect(line.endsWith(isOld(line.split(' ').slice(0, 2).join(' ')) ? '×0' : '×1')).toBe(true);
      expect(lines[1]).toEqual(lines[0]);
      const counts = { status: 'completed', broken: stopped.length, skipped: 0 };
      const notified = stopped.filter((pair) => !isOld(pair)).length;
      expect(results).toMatchObject([
        { ...counts, notified },
        { ...counts, notified },
      ]);
      expect(results[0]?.usersScanned).toBe(registered.size);
      seen += stopped.length;
    }),
    { numRuns: 10 },
  );
  expect(seen).toBeGreaterThan(10);
}, 240_000);
