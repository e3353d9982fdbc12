/** Deletes at Composio the accounts of attempts that are over: nobody's key may lie about. They could not act meanwhile either. */
import { Context } from '@temporalio/activity';
import { listUncleanAttempts, markAccountCleaned } from '../db/attempts.ts';
import { deleteStoredConnection } from '../db/connections.ts';
import { asSystem, forUser } from '../db/scope.ts';
import { toEntityId } from '../domain/user-id.ts';
import type { ActivityDeps } from './deps.ts';

/** Per pass; the rest waits for the next one, so that a backlog does not take the request limit. */
const BATCH = 20;

/** @returns how many were deleted. What Composio refuses now is tried again by the next pass. */
export async function cleanAccounts(
  deps: ActivityDeps,
  of?: { userId: string; app: string },
): Promise<number> {
  const page = { ...(of ? { of } : {}), limit: BATCH };
  const doomed = of
    ? await forUser(deps.db, of.userId, (tx) => listUncleanAttempts(tx, page))
    : await asSystem(deps.db, (tx) => listUncleanAttempts(tx, page));
  let deleted = 0;
  for (const { userId, accountId } of doomed) {
    try {
      await deps.composio.forEntity(toEntityId(userId)).disconnect(accountId);
    } catch (error) {
      const name = error instanceof Error ? error.name : 'Error';
      Context.current().log.warn('an account of an ended attempt is not deleted at Composio yet', {
        error: name,
      });
      continue;
    }
    await forUser(deps.db, userId, async (tx) => {
      await deleteStoredConnection(tx, userId, accountId);
      await markAccountCleaned(tx, userId, accountId);
    });
    deleted += 1;
  }
  return deleted;
}
