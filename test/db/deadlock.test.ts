/** A transaction that a deadlock ended runs once more, from its start, and its caller hears nothing of it. */
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { acceptAttemptOnce } from '../../db/accept-attempt.ts';
import { getAttempt, openAttempt, setAttemptAccount } from '../../db/attempts.ts';
import { recordConnections } from '../../db/connections.ts';
import { getFlow, openFlow } from '../../db/flows.ts';
import type { UserTx } from '../../db/scope.ts';
import type { ConnectedAccount } from '../../domain/gate.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();

const account = (userId: string, id: string): ConnectedAccount => ({
  id,
  entityId: userId,
  app: 'slack',
  authConfigId: null,
  status: 'ACTIVE',
  statusReason: null,
  disabled: false,
  createdAt: '2026-01-01T00:00:00Z',
  updatedAt: '2026-01-01T00:00:00Z',
});

/** Resolves for all once `count` have come. */
function meeting(count: number): () => Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let come = 0;
  return async () => {
    come += 1;
    if (come === count) resolve();
    await promise;
  };
}

test('two that take two rows crosswise both come through, each change once', async () => {
  const userId = await the().newUser();
  const touch = (tx: UserTx, metadata: string) =>
    sql`update users set metadata = jsonb_set(metadata, array[${metadata}],
      to_jsonb(coalesce((metadata->>${metadata})::int, 0) + 1)) where user_id = ${userId}`.execute(tx);
  const lock = (tx: UserTx, key: number) => sql`select pg_advisory_xact_lock(${key})`.execute(tx);
  const meet = meeting(2);
  let begun = 0;
  const cross = (first: number, second: number, name: string) =>
    the().user(userId, async (tx) => {
      begun += 1;
      await lock(tx, first);
      await meet();
      await lock(tx, second);
      await touch(tx, name);
    });
  await Promise.all([cross(1, 2, 'a'), cross(2, 1, 'b')]);
  expect(begun).toBe(3);
  const [row] = await the().raw<{ metadata: unknown }>('select metadata from users where user_id = $1', [
    userId,
  ]);
  expect(row?.metadata).toEqual({ a: 1, b: 1 });
});

test('an error of another kind is told at once', async () => {
  const userId = await the().newUser();
  let begun = 0;
  const failing = the().user(userId, async (tx) => {
    begun += 1;
    await sql`select 1 / 0`.execute(tx);
  });
  await expect(failing).rejects.toThrow('division by zero');
  expect(begun).toBe(1);
});

// Each round may wait for PostgreSQL's deadlock_timeout, a second.
test('a flow that completes while a run opens the same flow and records the same account', async () => {
  for (let round = 0; round < 3; round += 1) {
    const userId = await the().newUser();
    const flow = await the().newFlow(userId);
    const accountId = `ca_${round}`;
    const { attempt } = await the().user(userId, (tx) => openAttempt(tx, flow));
    await the().user(userId, async (tx) => {
      await setAttemptAccount(tx, attempt.id, accountId);
      await recordConnections(tx, userId, [account(userId, accountId)]);
    });
    const asked = { ...flow, timeoutMs: 60_000, reconnect: false, returnUrl: null };
    const [accepted] = await Promise.all([
      acceptAttemptOnce(the().db, { ...attempt, accountId }, 'callback'),
      ...Array.from({ length: 3 }, () =>
        the().user(userId, async (tx) => {
          await recordConnections(tx, userId, [account(userId, accountId)]);
          await openFlow(tx, asked);
        }),
      ),
    ]);
    expect(accepted).toEqual({ runIds: [] });
    expect((await the().user(userId, (tx) => getFlow(tx, flow.id)))?.status).toBe('completed');
    expect((await the().user(userId, (tx) => getAttempt(tx, attempt.id)))?.status).toBe('accepted');
  }
});
