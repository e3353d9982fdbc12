/** A click: one attempt with its own state and cookie, and one fresh Composio link. What fails here costs the attempt only. */
import type { Logger } from 'pino';
import {
  LIVE_ATTEMPTS,
  listAttempts,
  moveAttempt,
  openAttempt,
  setAttemptAccount,
} from '../../db/attempts.ts';
import type { Flow } from '../../db/flows.ts';
import { noteFlowClicked } from '../../db/flows.ts';
import { forUser } from '../../db/scope.ts';
import { toEntityId } from '../../domain/user-id.ts';
import type { ApiDeps } from '../deps.ts';
import { signalAttemptOpened } from '../flow-workflow.ts';
import { ApiProblem, unavailable } from '../problem-codes.ts';
import { makeAttemptCookie } from './attempt-cookie.ts';

// A person looks at a blank page meanwhile; Composio mints a link in well under a second.
const MINT_DEADLINE_MS = 10_000;
// Far more clicks than a person makes in the 12 minutes that an attempt lives; a leaked link must not eat Composio's request limit.
const MAX_LIVE_ATTEMPTS = 30;
// The oldest of them ends within their 12 minutes; a person who waits a minute meets it half open again.
const RETRY_AFTER_S = '60';

export async function beginAttempt(
  deps: ApiDeps,
  flow: Flow,
  log: Logger,
): Promise<{ redirectUrl: string; cookie: string }> {
  const { attempt, state, cookie } = await forUser(deps.db, flow.userId, async (tx) => {
    const live = (await listAttempts(tx, flow.id)).filter(
      ({ status, isOver }) => LIVE_ATTEMPTS.includes(status) && !isOver,
    );
    if (live.length >= MAX_LIVE_ATTEMPTS)
      throw new ApiProblem('too_many_attempts', { headers: { 'retry-after': RETRY_AFTER_S } });
    return openAttempt(tx, flow);
  });
  try {
    const options = { signal: AbortSignal.timeout(MINT_DEADLINE_MS) };
    const authConfigId = await deps.composio.resolveAuthConfig(flow.app, options);
    const callbackUrl = `${deps.publicUrl}/oauth/callback/${attempt.id}?state=${state}`;
    const link = await deps.composio
      .forEntity(toEntityId(flow.userId))
      .connect({ app: flow.app, authConfigId, callbackUrl }, options);
    await forUser(deps.db, flow.userId, async (tx) => {
      // Before the browser leaves: an account that comes back must be known here.
      await setAttemptAccount(tx, attempt.id, link.accountId);
      await noteFlowClicked(tx, flow.id);
    });
    if (!/^https?:$/.test(URL.parse(link.redirectUrl)?.protocol ?? ''))
      throw unavailable('Composio gave no usable link.');
    await signalAttemptOpened(deps, flow).catch((error: unknown) =>
      // Only the polling for a lost callback depends on it; the hourly pass looks too.
      log.warn({ err: error, flowId: flow.id }, 'a click could not be told to its workflow'),
    );
    return { redirectUrl: link.redirectUrl, cookie: makeAttemptCookie(deps.publicUrl, attempt.id, cookie) };
  } catch (error) {
    await forUser(deps.db, flow.userId, (tx) =>
      moveAttempt(tx, attempt.id, { from: ['open'], to: 'failed', reason: 'no_link' }),
    );
    throw error;
  }
}
