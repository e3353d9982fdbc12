/**
 * What a callback leads to. It proves nothing by itself: the state is single use and bound to the attempt, the browser
 * must carry the attempt's cookie, and the account is read back from Composio before anything is accepted or signalled.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Logger } from 'pino';
import { AttemptEndedError, acceptAttempt } from '../../db/accept-attempt.ts';
import type { Attempt } from '../../db/attempts.ts';
import { LIVE_ATTEMPTS, getAttempt, moveAttempt } from '../../db/attempts.ts';
import type { Flow } from '../../db/flows.ts';
import { getFlow } from '../../db/flows.ts';
import { newSecret, sha256 } from '../../db/ids.ts';
import { asSystem, forUser } from '../../db/scope.ts';
import type { ApiDeps } from '../deps.ts';
import { signalFlowCompleted } from '../flow-workflow.ts';
import { hasAttemptCookie } from './attempt-cookie.ts';
import { endAttempt } from './drop-account.ts';
import { readAccount } from './read-account.ts';

export type CallbackRequest = {
  readonly attemptId: string;
  readonly state: string | undefined;
  /** What the provider is said to have answered; null when the callback does not say. */
  readonly refused: boolean;
  /** Account ids that the callback names, under either spelling. */
  readonly accountIds: readonly string[];
  readonly cookie: string;
  readonly log: Logger;
};

export type CallbackOutcome =
  | { readonly kind: 'finished' | 'refused'; readonly flow: Flow }
  | { readonly kind: 'finishing'; readonly attemptId: string; readonly flow: Flow }
  | { readonly kind: 'verifier'; readonly url: string }
  | { readonly kind: 'invalid' };

type Found = { readonly attempt: Attempt; readonly flow: Flow };
const INVALID: CallbackOutcome = { kind: 'invalid' };

export async function handleCallback(deps: ApiDeps, request: CallbackRequest): Promise<CallbackOutcome> {
  const found = await findAttempt(deps, request.attemptId);
  if (!found) return INVALID;
  const { attempt, flow } = found;
  const isOurBrowser = hasAttemptCookie(request.cookie, deps.publicUrl, attempt);
  if (request.state === undefined) return isOurBrowser ? await resume(deps, found, request.log) : INVALID;
  if (!timingSafeEqual(sha256(request.state), attempt.stateHash)) return INVALID;
  if (request.accountIds.some((id) => id !== attempt.accountId)) return INVALID;
  if (attempt.status === 'accepted' && attempt.acceptedBy === 'poll') {
    return await settleLate(deps, found, isOurBrowser, request.log);
  }
  if (attempt.status !== 'open' || attempt.expiresAt.getTime() <= Date.now()) return INVALID;
  if (!isOurBrowser) {
    await endAttempt(deps, attempt, { from: ['open'], reason: 'other_browser', log: request.log });
    return INVALID;
  }
  if (request.refused) {
    await endAttempt(deps, attempt, { from: ['open'], reason: 'denied', log: request.log });
    return { kind: 'refused', flow };
  }
  // The state is used up by this compare-and-set: of two callbacks with it, one goes on.
  const to = deps.connect.verifierUrl === null ? 'verified' : 'awaiting_confirm';
  const isFirst = await forUser(deps.db, flow.userId, (tx) =>
    moveAttempt(tx, attempt.id, { from: ['open'], to }),
  );
  return isFirst ? await settle(deps, found, request.log) : INVALID;
}

async function findAttempt(deps: ApiDeps, attemptId: string): Promise<Found | null> {
  return asSystem(deps.db, async (tx) => {
    const attempt = await getAttempt(tx, attemptId);
    const flow = attempt && (await getFlow(tx, attempt.flowId));
    return attempt && flow ? { attempt, flow } : null;
  });
}

/** The "finishing" page has reloaded. The cookie alone speaks for the browser now; the state was used before. */
async function resume(deps: ApiDeps, found: Found, log: Logger): Promise<CallbackOutcome> {
  const { attempt, flow } = found;
  if (attempt.status === 'accepted') return { kind: 'finished', flow };
  const isSettling = attempt.status === 'verified' || attempt.status === 'awaiting_confirm';
  if (!isSettling || attempt.expiresAt.getTime() <= Date.now()) return INVALID;
  return await settle(deps, found, log);
}

async function settle(deps: ApiDeps, { attempt, flow }: Found, log: Logger): Promise<CallbackOutcome> {
  if (attempt.accountId === null) return INVALID;
  const look = await readAccount(deps.composio, flow, attempt.accountId);
  if (look === 'pending') return { kind: 'finishing', attemptId: attempt.id, flow };
  if (look === 'foreign') {
    log.error(
      { flowId: flow.id, accountId: attempt.accountId },
      'an account came back with another owner or app',
    );
    await forUser(deps.db, flow.userId, (tx) =>
      moveAttempt(tx, attempt.id, { from: LIVE_ATTEMPTS, to: 'failed', reason: 'account_mismatch' }),
    );
    return INVALID;
  }
  if (look === 'ended') {
    await endAttempt(deps, attempt, { from: LIVE_ATTEMPTS, reason: 'denied', log });
    return { kind: 'refused', flow };
  }
  const { verifierUrl } = deps.connect;
  return verifierUrl === null
    ? await acceptConsent(deps, { attempt, flow }, log)
    : await askVerifier(deps, { attempt, flow }, verifierUrl);
}

async function acceptConsent(deps: ApiDeps, { attempt, flow }: Found, log: Logger): Promise<CallbackOutcome> {
  const accepted = await forUser(deps.db, flow.userId, (tx) =>
    acceptAttempt(tx, flow, attempt, 'callback'),
  ).catch((error: unknown) => {
    if (error instanceof AttemptEndedError) return false;
    throw error;
  });
  // Not accepted here: the flow's workflow may have been faster with this very attempt.
  if (!accepted && (await findAttempt(deps, attempt.id))?.attempt.status !== 'accepted') return INVALID;
  await tellWorkflow(deps, flow, log);
  return { kind: 'finished', flow };
}

/** The rows say it already; when the word is lost, `sweep` repeats the wakes. */
export async function tellWorkflow(deps: ApiDeps, flow: Flow, log: Logger): Promise<void> {
  await signalFlowCompleted(deps, flow).catch((error: unknown) =>
    log.warn({ err: error, flowId: flow.id }, 'a completed flow could not be told to its workflow'),
  );
}

/** The integrator's page knows who is logged in; only its server's confirmation, with this code, completes the flow. */
async function askVerifier(
  deps: ApiDeps,
  { attempt, flow }: Found,
  verifierUrl: string,
): Promise<CallbackOutcome> {
  const code = newSecret();
  const moved = await forUser(deps.db, flow.userId, (tx) =>
    moveAttempt(tx, attempt.id, {
      from: ['awaiting_confirm'],
      to: 'awaiting_confirm',
      codeHash: sha256(code),
    }),
  );
  if (!moved) return INVALID;
  const url = new URL(verifierUrl);
  url.searchParams.set('flow', flow.id);
  url.searchParams.set('code', code);
  return { kind: 'verifier', url: url.href };
}

/** Polling was faster than the callback. From the clicking browser that is fine; from another, the consent is taken back. */
async function settleLate(
  deps: ApiDeps,
  found: Found,
  isOurBrowser: boolean,
  log: Logger,
): Promise<CallbackOutcome> {
  const { attempt, flow } = found;
  if (!isOurBrowser) {
    await endAttempt(deps, attempt, { from: ['accepted'], reason: 'other_browser', log });
    return INVALID;
  }
  await forUser(deps.db, flow.userId, (tx) =>
    moveAttempt(tx, attempt.id, { from: ['accepted'], to: 'accepted', acceptedBy: 'callback' }),
  );
  return { kind: 'finished', flow };
}
