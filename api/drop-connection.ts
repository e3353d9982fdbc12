/** Takes an account of a user away, at Composio and here. */
import { type ActingKey, addLogEntry } from '../db/audit-log.ts';
import { deleteStoredConnection, listStoredConnections } from '../db/connections.ts';
import { asSystemWithin, forUser } from '../db/scope.ts';
import { toEntityId } from '../domain/user-id.ts';
import type { ApiDeps } from './deps.ts';
import { ApiProblem } from './problem-codes.ts';

// A read and a deletion at Composio.
const COMPOSIO_DEADLINE_MS = 15_000;

/**
 * `by`: the API key that asked, for the audit log; a user who does it in person is no operator's act.
 * @throws ApiProblem not_found, for another user's account just as for one that does not exist.
 */
export async function dropConnection(
  { db, composio }: Pick<ApiDeps, 'db' | 'composio'>,
  userId: string,
  accountId: string,
  by?: ActingKey,
): Promise<void> {
  const entityId = toEntityId(userId);
  const signal = AbortSignal.timeout(COMPOSIO_DEADLINE_MS);
  const account = await composio.getConnection(accountId, { signal });
  if (account && account.entityId !== entityId) throw new ApiProblem('not_found');
  if (account) await composio.forEntity(entityId).disconnect(account.id, { signal });
  await forUser(db, userId, async (tx) => {
    const isStored = (await listStoredConnections(tx, userId)).some((c) => c.accountId === accountId);
    if (!account && !isStored) throw new ApiProblem('not_found');
    await deleteStoredConnection(tx, userId, accountId);
    if (by === undefined) return;
    const entry = { by, action: 'connection.deleted', details: { accountId }, userId } as const;
    await asSystemWithin(tx, (system) => addLogEntry(system, entry));
  });
}
