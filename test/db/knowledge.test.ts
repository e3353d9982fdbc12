/** What the gate knows of accounts beyond Composio's list: whose consent nobody answered for must never look like anybody's own. */
import { expect, test } from 'vitest';
import { markAccountCleaned, moveAttempt, openAttempt, setAttemptAccount } from '../../db/attempts.ts';
import { loadAccountKnowledge } from '../../db/connections.ts';
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
