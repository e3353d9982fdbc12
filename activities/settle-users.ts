/**
 * From accounts that were just read to what their users are told: an episode, a flow and one notice where an app has
 * stopped working, the episode's end where it works again. Most users whom an audit reads anew were told long ago: they are
 * read together, and only what has to be written is a transaction, of that one user.
 */
import { ComposioFailure } from '../composio/failure.ts';
import type { ComposioPort } from '../composio/port.ts';
import { type AuditState, loadAuditStates, loadKnowledgeOf } from '../db/audit-states.ts';
import { closeEpisodes } from '../db/episodes.ts';
import { asSystemOnce, forUser } from '../db/scope.ts';
import { type AccountKnowledge, type ConnectedAccount, resolveAccount } from '../domain/gate.ts';
import { isBrokenStatus } from '../domain/statuses.ts';
import { toEntityId } from '../domain/user-id.ts';
import type { ActivityDeps } from './deps.ts';
import { type MissingApp, openFlowsFor } from './gate.ts';
import { channelsOf } from './run-notices.ts';
import { sideBySide } from './side-by-side.ts';
import { startDeliveries } from './start-workflows.ts';
import { waitOutLimit } from './wait-out-limit.ts';

/** Each is a transaction: a quarter of the pool, so that runs find a connection beside an audit. */
const USERS_AT_ONCE = 4;
/** PostgreSQL's classes of errors that come again with the same values: data, integrity. */
const LASTING_ERROR = /^2[23]...$/;
const FOREIGN_KEY_VIOLATION = '23503';

export type SettleRequest = {
  /** Whose count of notices it is; null: none's. */
  readonly auditId: string | null;
  readonly userIds: readonly string[];
  /** Theirs: all that work, and all that do not. */
  readonly accounts: readonly ConnectedAccount[];
  /** Of performance.now, before Composio was asked for them. */
  readonly askedAt: number;
  readonly signal: AbortSignal;
  /** A user whose accounts cannot be stored. Absent: that fails. */
  readonly onUnstorable?: (userId: string) => void;
};
/** Apps that do not work, and of those the ones that were told now, or before by the same audit. */
export type SettleResult = { readonly broken: number; readonly notified: number };

type Verdict = {
  readonly broken: readonly (MissingApp & { readonly hasStopped: boolean })[];
  readonly mended: readonly string[];
};

export async function settleUsers(deps: ActivityDeps, request: SettleRequest): Promise<SettleResult> {
  const { auditId, userIds, accounts, signal, onUnstorable } = request;
  const { connectTimeoutMs: flowTimeoutMs } = deps.settings;
  const [stateOf, knowledgeOf] = await Promise.all([
    asSystemOnce(deps.db, loadAuditStates({ auditId, userIds, flowTimeoutMs })),
    asSystemOnce(deps.db, loadKnowledgeOf(userIds)),
  ]);
  const byUser = Map.groupBy(accounts, (account) => account.entityId);
  const total = { broken: 0, notified: 0 };
  await sideBySide(userIds, { atOnce: USERS_AT_ONCE, signal }, async (userId) => {
    const state = stateOf(userId);
    const verdict = judge(userId, byUser.get(userId) ?? [], { state, knowledge: knowledgeOf(userId) });
    try {
      const result = await settleUser(deps, userId, { ...request, state, verdict });
      total.broken += result.broken;
      total.notified += result.notified;
    } catch (error) {
      const { code } = error as { code?: unknown };
      // The user was removed while the audit was on its way: nobody is left to tell.
      if (code === FOREIGN_KEY_VIOLATION) return;
      if (!onUnstorable || typeof code !== 'string' || !LASTING_ERROR.test(code)) throw error;
      onUnstorable(userId);
    }
  });
  return total;
}

/**
 * Which of a user's apps have stopped working, and which of those that had do so no longer (they work, or nothing is left of
 * them). An app whose only accounts are ACTIVE, but disabled or refused lately, has not stopped for Composio: it counts while
 * its episode is open (a run has met it), and nothing is written.
 */
function judge(
  userId: string,
  accounts: readonly ConnectedAccount[],
  { state, knowledge }: { state: AuditState; knowledge: (app: string) => AccountKnowledge },
): Verdict {
  const entityId = toEntityId(userId);
  const apps = [...new Set([...accounts.map((account) => account.app), ...state.told.keys()])].sort();
  const broken: (MissingApp & { hasStopped: boolean })[] = [];
  const mended: string[] = [];
  for (const app of apps) {
    const known = knowledge(app);
    const resolution = resolveAccount(accounts, { entityId, app, knowledge: known });
    if (resolution.kind === 'ready' || resolution.account === null) {
      if (state.told.has(app)) mended.push(app);
      continue;
    }
    const hasStopped = accounts.some(
      (account) => account.app === app && isBrokenStatus(account.status) && !known.unaccepted.has(account.id),
    );
    if (hasStopped || state.told.has(app))
      broken.push({ app, appName: app, reason: resolution.reason, account: resolution.account, hasStopped });
  }
  return { broken, mended };
}

async function settleUser(
  deps: ActivityDeps,
  userId: string,
  { askedAt, signal, state, verdict }: SettleRequest & { state: AuditState; verdict: Verdict },
): Promise<SettleResult> {
  const { broken, mended } = verdict;
  const toTell = broken.filter(
    ({ app, hasStopped }) => hasStopped && !(state.told.has(app) && state.linked.has(app)),
  );
  let noticeIds: readonly string[] = [];
  if (toTell.length > 0 || mended.length > 0) {
    const named = await Promise.all(
      toTell.map(async (item) => ({ ...item, appName: await appName(deps.composio, item.app, signal) })),
    );
    const channels = channelsOf(deps.settings);
    const user = { userId, timeoutMs: deps.settings.connectTimeoutMs, channels, askedAt };
    ({ noticeIds } = await forUser(deps.db, userId, async (tx) => {
      await closeEpisodes(tx, userId, mended, askedAt);
      return openFlowsFor(tx, user, named);
    }));
  }
  // Whoever wrote a notice may have died before its delivery began.
  if (channelsOf(deps.settings).length > 0)
    await startDeliveries([...noticeIds, ...state.undelivered], userId, deps);
  const toldBefore = broken.filter(({ app }) => state.told.get(app) === true).length;
  return { broken: broken.length, notified: noticeIds.length + toldBefore };
}

/** From the port's cache. A toolkit that Composio does not know, or cannot show, keeps its slug: it is no reason not to tell. */
async function appName(composio: ComposioPort, app: string, signal: AbortSignal): Promise<string> {
  try {
    return (await waitOutLimit(async () => await composio.getToolkit(app, { signal }), signal))?.name ?? app;
  } catch (error) {
    if (error instanceof ComposioFailure && !signal.aborted) return app;
    throw error;
  }
}
