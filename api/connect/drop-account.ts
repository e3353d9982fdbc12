/** Ends an attempt whose account must never act, and deletes that account at Composio. The flow and its link live on. */
import type { Logger } from 'pino';
import type { Attempt } from '../../db/attempts.ts';
import { markAccountCleaned, moveAttempt } from '../../db/attempts.ts';
import { deleteStoredConnection } from '../../db/connections.ts';
import { forUser } from '../../db/scope.ts';
import type { AttemptStatus } from '../../domain/statuses.ts';
import type { ApiDeps } from '../deps.ts';

// A browser waits for this; when Composio is slower, the row stays unclean and `sweep` deletes the account.
const DELETE_DEADLINE_MS = 5_000;

type Deps = Pick<ApiDeps, 'db' | 'composio'>;

/** @returns whether this call ended the attempt; when another one was faster, nothing is deleted. */
export async function endAttempt(
  deps: Deps,
  attempt: Attempt,
  end: { from: readonly AttemptStatus[]; reason: string; log: Logger },
): Promise<boolean> {
  const { from, reason, log } = end;
  const ended = await forUser(deps.db, attempt.userId, (tx) =>
    moveAttempt(tx, attempt.id, { from, to: 'failed', reason }),
  );
  if (ended && attempt.accountId !== null) await dropAccount(deps, attempt.userId, attempt.accountId, log);
  return ended;
}

async function dropAccount(deps: Deps, userId: string, accountId: string, log: Logger): Promise<void> {
  try {
    await deps.composio
      .forEntity(userId)
      .disconnect(accountId, { signal: AbortSignal.timeout(DELETE_DEADLINE_MS) });
    await forUser(deps.db, userId, async (tx) => {
      await deleteStoredConnection(tx, userId, accountId);
      await markAccountCleaned(tx, userId, accountId);
    });
  } catch (error) {
    log.warn({ err: error, accountId }, 'an account of a failed attempt was not deleted yet');
  }
}
