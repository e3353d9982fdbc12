/** A consent becomes a connection: one transaction, whoever proved it (callback, polling, the integrator's confirmation). */
import type { Attempt } from './attempts.ts';
import { LIVE_ATTEMPTS, moveAttempt, supersedeAttempts } from './attempts.ts';
import { closeEpisodes } from './episodes.ts';
import type { Flow } from './flows.ts';
import { completeFlow } from './flows.ts';
import type { UserTx } from './scope.ts';

/**
 * The caller has read the account back from Composio: this flow's user, this flow's app, ACTIVE.
 * @returns false when the attempt or the flow had ended meanwhile; then nothing was changed.
 */
export async function acceptAttempt(
  tx: UserTx,
  flow: Flow,
  attempt: Attempt,
  acceptedBy: 'callback' | 'poll' | 'confirm',
): Promise<boolean> {
  if (attempt.accountId === null) return false;
  const done = await completeFlow(tx, flow, attempt.accountId);
  if (!done) return false;
  const moved = await moveAttempt(tx, attempt.id, { from: LIVE_ATTEMPTS, to: 'accepted', acceptedBy });
  if (!moved) throw new AttemptEndedError(attempt.id);
  await supersedeAttempts(tx, flow.id, attempt.id);
  await closeEpisodes(tx, flow.userId, [flow.app]);
  return true;
}

/** Thrown to roll the transaction back: another request ended this attempt between the caller's look and ours. */
export class AttemptEndedError extends Error {
  override readonly name = 'AttemptEndedError';
  constructor(attemptId: string) {
    super(`attempt ${attemptId} has ended`);
  }
}
