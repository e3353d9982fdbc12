/** What the gate knows of accounts beyond Composio's list: whose consent nobody answered for must never look like anybody's own. */
import { expect, test } from 'vitest';
import { markAccountCleaned, moveAttempt, openAttempt, setAttemptAccount } from '../../db/attempts.ts';
import { loadAccountKnowledge, noteRefusedAccount, recordConnections } from '../../db/connections.ts';
import { completeFlow, endFlow } from '../../db/flows.ts';
import type { ConnectedAccount } from '../../domain/gate.ts';
import type { ConnectionStatus } from '../../domain/statuses.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();

test('an account of a failed attempt stays unaccepted for a while after its deletion, for lists that were read before', async () => {
  const userId = await the().newUser();
  const flow = await the().newFlow(userId);
  const { attempt } = await the().user(userId, (tx) => openAttempt(tx, flow));
  const unaccepted = async () =>
    (await the().user(userId, (tx) => loadAccountKnowledge(tx, userId, ['slack'])))('slack').unaccepted;
  await the().user(userId, (tx) => setAttemptAccount(tx, attempt.id, 'ca_1'));
  expect(await unaccepted()).toEqual(new Set(['ca_1']));
  await the().user(userId, (tx) => moveAttempt(tx, attempt.id, { from: ['open'], to: 'failed' }));
  await the().user(userId, (tx) => markAccountCleaned(tx, userId, 'ca_1'));
  expect(await unaccepted()).toEqual(new Set(['ca_1']));
  await the().raw(`update connection_attempts set cleaned_at = now() - interval '2 hours' where id = $1`, [
    attempt.id,
  ]);
  expect(await unaccepted()).toEqual(new Set());
});

test('an account that was refused although it is ACTIVE stays refused for a day, until Composio calls it broken or a flow verifies it', async () => {
  const userId = await the().newUser();
  const refused = async () =>
    (await the().user(userId, (tx) => loadAccountKnowledge(tx, userId, ['slack'])))('slack').refused;
  const refuse = () =>
    the().user(userId, (tx) => noteRefusedAccount(tx, { userId, accountId: 'ca_1', app: 'slack' }));
  const see = (status: ConnectionStatus) =>
    the().user(userId, (tx) => recordConnections(tx, userId, [accountOf(userId, status)]));
  await refuse();
  await see('ACTIVE');
  expect(await refused()).toEqual(new Set(['ca_1']));
  await the().raw(`update connections set refused_at = now() - interval '25 hours' where user_id = $1`, [
    userId,
  ]);
  expect(await refused()).toEqual(new Set());
  await refuse();
  await see('EXPIRED');
  await see('ACTIVE');
  expect(await refused()).toEqual(new Set());
  await refuse();
  const flow = await the().newFlow(userId);
  await the().user(userId, (tx) => completeFlow(tx, flow, 'ca_1'));
  expect(await refused()).toEqual(new Set());
});

test('what an open flow was opened for stays refused as long as it is open, and no longer', async () => {
  const userId = await the().newUser();
  const flow = await the().newFlow(userId, 'slack', { refusedAccountId: 'ca_1' });
  // A second call for the same flow, such as a user's own, does not forget it.
  await the().newFlow(userId, 'slack');
  const refused = async () =>
    (await the().user(userId, (tx) => loadAccountKnowledge(tx, userId, null)))('slack').refused;
  expect(await refused()).toEqual(new Set(['ca_1']));
  await the().user(userId, (tx) => endFlow(tx, flow.id, 'cancelled', 'x'));
  expect(await refused()).toEqual(new Set());
});

const accountOf = (userId: string, status: ConnectionStatus): ConnectedAccount => ({
  id: 'ca_1',
  entityId: userId,
  app: 'slack',
  authConfigId: null,
  status,
  statusReason: null,
  disabled: false,
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
});
