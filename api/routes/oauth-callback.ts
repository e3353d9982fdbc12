/** GET /oauth/callback/{attemptId}: where Composio sends the browser back to. A hint, never a proof; see connect/callback.ts. */
import { z } from 'zod';
import { handleCallback } from '../connect/callback.ts';
import type { CallbackOutcome } from '../connect/callback.ts';
import { defineRoute } from '../define-route.ts';
import type { ApiDeps } from '../deps.ts';
import { alreadyConnectedPage, finishedPage, finishingPage, refusedPage } from '../pages/outcome-pages.ts';
import { ApiProblem } from '../problem-codes.ts';
import { MOST_THAT_EXISTS, id } from '../schemas/common.ts';

// Ours are short; a provider's words of an error may be longer, and are not refused for it.
const hint = z.string().max(4_096).meta({ maxLength: MOST_THAT_EXISTS }).optional();
// Providers and Composio add parameters of their own, so others are let pass, unread.
const query = z.looseObject({
  state: hint.meta({ description: 'Single use, bound to the attempt.' }),
  status: hint.meta({ description: '`success`, or a refusal.' }),
  error: hint,
  connected_account_id: hint,
  connectedAccountId: hint,
  again: hint.meta({ description: 'Of our own page: it was answered before its turn, and looks again.' }),
});
type Hints = z.output<typeof query>;

export const oauthCallbackRoute = defineRoute({
  method: 'get',
  path: '/oauth/callback/{attemptId}',
  operationId: 'receiveOauthCallback',
  tag: 'Connect (browser)',
  summary: 'Come back from the provider',
  scope: null,
  forBrowsers: true,
  noHead: true,
  params: z.strictObject({ attemptId: id('attempt') }),
  query,
  responses: {
    200: { description: 'A page: finished, finishing, or not connected.', page: true },
    302: { description: 'To `returnUrl`, or to the verifier.', headers: { Location: 'Where to.' } },
    400: {
      description:
        'The callback does not hold; the same page for unknown, used, expired, foreign and tampered.',
      page: true,
    },
  },
  handler: async (deps, { params: { attemptId }, query: hints, cookie, logLater }) => {
    const outcome = await handleCallback(deps, {
      attemptId,
      state: hints.state,
      refused: isRefusal(hints),
      accountIds: [hints.connected_account_id, hints.connectedAccountId].filter(
        (accountId) => accountId !== undefined,
      ),
      cookie,
      isAgain: hints.again !== undefined,
      logLater,
    });
    return outcome.kind === 'early'
      ? comeAgain(deps, attemptId, hints, outcome)
      : toAnswer(deps, outcome, cookie);
  },
});

/** So many callbacks a second are worked even by a busy process; pages that come again sooner would only add to the queue. */
const WORKED_PER_SECOND = 100;
const SOONEST_S = 2;
const LATEST_S = 30;

/** To the browser that holds the attempt's cookie, which has all of this in its address. It comes again with what it brought. */
function comeAgain(
  { brand }: ApiDeps,
  attemptId: string,
  hints: Hints,
  { flow, ahead }: { flow: { appName: string }; ahead: number },
): { status: 200; page: string } {
  const known = { ...pickHints(hints), again: '1' };
  const path = `/oauth/callback/${encodeURIComponent(attemptId)}?${new URLSearchParams(known).toString()}`;
  const seconds = Math.min(
    LATEST_S,
    SOONEST_S + Math.ceil((ahead / WORKED_PER_SECOND) * (1 + Math.random() / 4)),
  );
  return { status: 200, page: finishingPage({ brand, appName: flow.appName, path, seconds }) };
}

function pickHints(hints: Hints): Record<string, string> {
  const { state, status, error, connected_account_id, connectedAccountId } = hints;
  const given = Object.entries({ state, status, error, connected_account_id, connectedAccountId });
  return Object.fromEntries(given.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function isRefusal(hints: Hints): boolean {
  if (hints.error !== undefined) return true;
  return (
    hints.status !== undefined && !['success', 'active', 'initiated', ''].includes(hints.status.toLowerCase())
  );
}

function toAnswer(
  deps: ApiDeps,
  outcome: Exclude<CallbackOutcome, { kind: 'early' }>,
  cookie: string,
): { status: 200; page: string } | { status: 302; headers: { location: string } } {
  const { brand } = deps;
  switch (outcome.kind) {
    case 'invalid':
      throw new ApiProblem('not_found');
    case 'verifier':
      return { status: 302, headers: { location: outcome.url } };
    case 'refused':
      return {
        status: 200,
        page: refusedPage({
          brand,
          appName: outcome.flow.appName,
          connectPath: `/connect/${outcome.flow.token}`,
        }),
      };
    case 'already':
      return { status: 200, page: alreadyConnectedPage({ brand, appName: outcome.flow.appName }) };
    case 'finishing': {
      const path = `/oauth/callback/${outcome.attemptId}`;
      return { status: 200, page: finishingPage({ brand, appName: outcome.flow.appName, path }) };
    }
    case 'finished': {
      const { returnUrl, appName, userId } = outcome.flow;
      const backToPortal = deps.portalSessions.find(cookie)?.userId === userId;
      // Looked at again: the list may have changed since the flow was opened.
      return returnUrl !== null && deps.connect.returnUrls.includes(returnUrl)
        ? { status: 302, headers: { location: returnUrl } }
        : { status: 200, page: finishedPage({ brand, appName, backToPortal }) };
    }
  }
}
