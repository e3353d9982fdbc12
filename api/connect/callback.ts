/**
 * What a callback leads to. It proves nothing by itself: the state is single use and bound to the attempt, the browser
 * must carry the attempt's cookie, and the account is read back from Composio before anything is accepted or signalled.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Logger } from 'pino';
import { acceptAttemptOnce } from '../../db/accept-attempt.ts';
import { LIVE_ATTEMPTS, moveAttempt, movingAttempt } from '../../db/attempts.ts';
import type { FoundAttempt } from '../../db/find-attempts.ts';
import type { Flow } from '../../db/flows.ts';
import { newSecret, sha256 } from '../../db/ids.ts';
import { forUser, forUserOnce } from '../../db/scope.ts';
import type { ApiDeps } from '../deps.ts';
import { signalAttemptOpened } from '../flow-workflow.ts';
import { hasAttemptCookie } from './attempt-cookie.ts';
import { endAttempt } from './drop-account.ts';
import type { AccountLook } from './read-account.ts';
import { lookAtAccount } from './read-account.ts';
import { tellAccepted } from './tell-accepted.ts';

export type CallbackRequest = {
  readonly attemptId: string;
  readonly state: string | undefined;
  /** What the provider is said to have answered; null when the callback does not say. */
  readonly refused: boolean;
  /** Account ids that the callback names, under either spelling. */
  readonly accountIds: readonly string[];
  readonly cookie: string;
  /** The reload of a page that was answered early: by now the state may be used, by the request before. */
  readonly isAgain: boolean;
  /** Thousands wait in the turnstile, long after their answers: nothing here may hold a socket. */
  readonly logLater: () => Logger;
};

export type CallbackOutcome =
  | { readonly kind: 'finished' | 'already' | 'refused'; readonly flow: Flow }
  | {
      readonly kind: 'finishing';
      readonly attemptId: string;
      readonly flow: Flow;
      readonly look: AccountLook;
    }
  /** Answered before its turn; `ahead` stand before it. */
  | { readonly kind: 'early'; readonly flow: Flow; readonly ahead: number }
  | { readonly kind: 'verifier'; readonly url: string }
  | { readonly kind: 'invalid' };

type Found = FoundAttempt;
const INVALID: CallbackOutcome = { kind: 'invalid' };

/**
 * What the request alone, held against the attempt, comes to. Nothing is changed by it, and whoever is refused by it costs
 * no more than a look: a crowd of strangers keeps nobody out.
 */
type Verdict = 'invalid' | 'other_browser' | 'late' | 'resume' | 'denied' | 'consented';

export async function handleCallback(deps: ApiDeps, request: CallbackRequest): Promise<CallbackOutcome> {
  const { findAttempt, turnstile } = deps.callbackDesk;
  const since = performance.now();
  const arrived = turnstile.arrive();
  let found: Found | null;
  try {
    found = await findAttempt(request.attemptId);
  } finally {
    // After it stands in the queue, where those who come in the same moment are one crowd.
    setImmediate(arrived);
  }
  const verdict = found ? judge(deps, found, request) : 'invalid';
  if (!found || verdict === 'invalid') return INVALID;
  const { attempt, flow } = found;
  // Its own first request is still under way.
  if (request.isAgain && turnstile.holds(attempt.id))
    return { kind: 'early', flow, ahead: turnstile.waiting };
  const passed = await turnstile.pass(attempt.id, () => act(deps, found, verdict, request), since);
  if (passed.kind === 'done') return passed.value;
  return verdict === 'other_browser' ? INVALID : { kind: 'early', flow, ahead: passed.ahead };
}

function judge(deps: ApiDeps, { attempt }: Found, request: CallbackRequest): Verdict {
  const isOurBrowser = hasAttemptCookie(request.cookie, deps.publicUrl, attempt);
  if (request.state === undefined) return isOurBrowser ? 'resume' : 'invalid';
  if (!timingSafeEqual(sha256(request.state), attempt.stateHash)) return 'invalid';
  if (request.accountIds.some((id) => id !== attempt.accountId)) return 'invalid';
  if (attempt.status === 'accepted' && attempt.acceptedBy === 'poll')
    return isOurBrowser ? 'late' : 'other_browser';
  if (request.isAgain && isOurBrowser && attempt.status !== 'open') return 'resume';
  if (attempt.status !== 'open' || attempt.isOver) return 'invalid';
  if (!isOurBrowser) return 'other_browser';
  return request.refused ? 'denied' : 'consented';
}

async function act(
  deps: ApiDeps,
  found: Found,
  verdict: Exclude<Verdict, 'invalid'>,
  { isAgain, logLater }: Pick<CallbackRequest, 'isAgain' | 'logLater'>,
): Promise<CallbackOutcome> {
  const { attempt, flow } = found;
  const log = logLater();
  switch (verdict) {
    case 'resume':
      return await resume(deps, found, { isAgain, log });
    case 'late':
      return await settleLate(deps, found);
    case 'other_browser': {
      // As judged: an open attempt, or one that polling had accepted. A consent that nobody answers for is taken back.
      await endAttempt(deps, attempt, { from: [attempt.status], reason: 'other_browser', log });
      return INVALID;
    }
    case 'denied':
      await endAttempt(deps, attempt, { from: ['open'], reason: 'denied', log });
      return { kind: 'refused', flow };
    case 'consented':
      return await useState(deps, found, log);
  }
}

/** The state is used up by this compare-and-set: of two callbacks with it, one goes on. */
async function useState(deps: ApiDeps, found: Found, log: Logger): Promise<CallbackOutcome> {
  const { attempt, flow } = found;
  const to = deps.connect.verifierUrl === null ? 'verified' : 'awaiting_confirm';
  const isFirst = await forUserOnce(deps.db, flow.userId, movingAttempt(attempt.id, { from: ['open'], to }));
  if (!isFirst) return INVALID;
  const outcome = await settle(deps, found, log);
  if (outcome.kind === 'finishing' && outcome.look === 'unasked') await askWorkflowToLook(deps, flow, log);
  return outcome;
}

/** The "finishing" page has reloaded. The cookie alone speaks for the browser now; the state was used before. */
async function resume(
  deps: ApiDeps,
  found: Found,
  { isAgain, log }: { isAgain: boolean; log: Logger },
): Promise<CallbackOutcome> {
  const { attempt, flow } = found;
  if (attempt.status === 'accepted') return { kind: isAgain ? 'finished' : 'already', flow };
  if (attempt.status === 'failed' && attempt.reason === 'denied') return { kind: 'refused', flow };
  const isSettling = attempt.status === 'verified' || attempt.status === 'awaiting_confirm';
  if (!isSettling || attempt.isOver) return INVALID;
  return await settle(deps, found, log);
}

async function settle(deps: ApiDeps, { attempt, flow }: Found, log: Logger): Promise<CallbackOutcome> {
  if (attempt.accountId === null) return INVALID;
  const look = await lookAtAccount(deps.callbackDesk.readAccount, flow, attempt.accountId);
  if (look === 'pending' || look === 'unasked')
    return { kind: 'finishing', attemptId: attempt.id, flow, look };
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
  const accepted = await acceptAttemptOnce(deps.db, attempt, 'callback');
  // Not accepted here: the flow's workflow may have been faster with this very attempt, and tells everybody.
  if (!accepted && (await deps.callbackDesk.findAttempt(attempt.id))?.attempt.status !== 'accepted')
    return INVALID;
  // Let in before it was seen that a crowd comes: each run that goes on now takes the processor of a hundred answers.
  await deps.callbackDesk.turnstile.calm();
  await tellAccepted(deps, { flow, runIds: accepted?.runIds ?? [] }, log);
  return { kind: 'finished', flow };
}

/** Nobody has looked, and perhaps this page never comes again: then the flow's workflow does, as after a click. It says nothing of the account. */
async function askWorkflowToLook(deps: ApiDeps, flow: Flow, log: Logger): Promise<void> {
  await signalAttemptOpened(deps, flow).catch((error: unknown) =>
    log.warn({ err: error, flowId: flow.id }, 'a flow could not be asked to look for itself'),
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

/** Polling was faster than the callback, which comes from the clicking browser: that is fine. */
async function settleLate(deps: ApiDeps, { attempt, flow }: Found): Promise<CallbackOutcome> {
  await forUser(deps.db, flow.userId, (tx) =>
    moveAttempt(tx, attempt.id, { from: ['accepted'], to: 'accepted', acceptedBy: 'callback' }),
  );
  return { kind: 'finished', flow };
}
