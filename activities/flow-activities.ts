/** A connection flow's look at the world: attempts and accounts in, completion or patience out. Signals only hint; this reads. */
import type { Attempt } from '../db/attempts.ts';
import {
  LIVE_ATTEMPTS,
  expireAttempts,
  listAttempts,
  moveAttempt,
  noteActiveSeen,
  supersedeAttempts,
} from '../db/attempts.ts';
import { acceptAttempt } from '../db/accept-attempt.ts';
import { loadAccountKnowledge } from '../db/connections.ts';
import { closeEpisodes } from '../db/episodes.ts';
import { loadFlowEnd } from '../db/flow-end.ts';
import { type Flow, completeFlow, endFlow, getFlow } from '../db/flows.ts';
import { forUser, forUserOnce } from '../db/scope.ts';
import { runStatement } from '../db/statement.ts';
import { type ConnectedAccount, resolveAccount } from '../domain/gate.ts';
import type { FlowStatus } from '../domain/statuses.ts';
import { toEntityId } from '../domain/user-id.ts';
import type { ConnectAccountInput } from '../workflows/messages.ts';
import type { ActivityDeps } from './deps.ts';
import { cleanAccounts } from './clean-accounts.ts';
import { finishFlow } from './finish-flow.ts';
import { createPollPace } from './poll-pace.ts';
import { inTask, running } from './running.ts';

export type FlowCheck = {
  /** Null when nobody has clicked lately: then there is nothing to poll for. */
  readonly pollIntervalMs: number | null;
  readonly expiresInMs: number;
} & FlowEnd;
export type FlowEnd = {
  readonly status: FlowStatus;
  /** Of a flow that has ended: how long it was open. */
  readonly openForMs?: number;
};

/** Of a flow whose end is now: the look that ends it may come a moment too early, and must not be repeated without a pause. */
const SOONEST_LOOK_MS = 1_000;

export function createFlowActivities(deps: ActivityDeps) {
  const pollInterval = createPollPace(deps.db, deps.settings.pollIntervalMs);
  return {
    /**
     * Of a flow that has ended already: what follows its end. Null while it is open, or where accounts are to be deleted at Composio
     * too: that is checkFlow's. Rows and signals only, for it is called as a local activity.
     */
    async closeEndedFlow(key: ConnectAccountInput): Promise<FlowEnd | null> {
      return inTask(async () => {
        const end = await forUserOnce(deps.db, key.userId, loadFlowEnd(key.flowId));
        if (!end) return { status: 'cancelled' };
        if (end.flow.status === 'open') return null;
        await finishFlow(deps, end);
        return end.isUnclean || end.replaces ? null : endOf(end.flow);
      });
    },

    async checkFlow(key: ConnectAccountInput): Promise<FlowCheck> {
      return running(async ({ cancellationSignal }) => {
        const flow = await forUser(deps.db, key.userId, (tx) => getFlow(tx, key.flowId));
        if (!flow) return { status: 'cancelled', pollIntervalMs: null, expiresInMs: 0 };
        if (flow.status === 'open') await advance(deps, flow, cancellationSignal);
        const { end, attempts } = await forUser(deps.db, key.userId, async (tx) => ({
          end: await runStatement(tx, loadFlowEnd(key.flowId)),
          attempts: await listAttempts(tx, key.flowId),
        }));
        if (!end) return { status: 'cancelled', pollIntervalMs: null, expiresInMs: 0 };
        const now = end.flow;
        if (now.status !== 'open') await finishFlow(deps, end);
        await cleanAccounts(deps, { userId: now.userId, app: now.app });
        const isClicked = attempts.some((attempt) => LIVE_ATTEMPTS.includes(attempt.status));
        return {
          pollIntervalMs: isClicked ? await pollInterval() : null,
          expiresInMs: Math.max(SOONEST_LOOK_MS, end.leftMs),
          ...endOf(now),
        };
      });
    },
  };
}

const endOf = ({ status, createdAt, endedAt }: Flow): FlowEnd => ({
  status,
  ...(endedAt === null ? {} : { openForMs: endedAt.getTime() - createdAt.getTime() }),
});

/** Completes or expires the flow if that is due. */
async function advance(deps: ActivityDeps, flow: Flow, signal: AbortSignal): Promise<void> {
  const entityId = toEntityId(flow.userId);
  const askedAt = performance.now();
  const accounts = await deps.composio.forEntity(entityId).connections([flow.app], { signal });
  const attempts = await forUser(deps.db, flow.userId, (tx) => listAttempts(tx, flow.id));
  for (const attempt of attempts) {
    if (!LIVE_ATTEMPTS.includes(attempt.status) || attempt.accountId === null) continue;
    const account = accounts.find(
      (candidate) =>
        candidate.id === attempt.accountId && candidate.entityId === entityId && candidate.app === flow.app,
    );
    if (await advanceAttempt(deps, flow, attempt, account)) return;
  }
  await forUser(deps.db, flow.userId, async (tx) => {
    if (!flow.reconnect) {
      const knowledge = await loadAccountKnowledge(tx, flow.userId, [flow.app]);
      const resolution = resolveAccount(accounts, {
        entityId,
        app: flow.app,
        knowledge: knowledge(flow.app),
      });
      // Made elsewhere, or mended by itself: any ACTIVE account of the entity counts.
      if (resolution.kind === 'ready') {
        if (!(await completeFlow(tx, flow, resolution.account.id))) return;
        await supersedeAttempts(tx, flow.id, null);
        await closeEpisodes(tx, flow.userId, [flow.app], askedAt);
        return;
      }
    }
    await expireAttempts(tx, flow.id);
    if (await endFlow(tx, flow.id, 'expired', 'nobody_connected')) await supersedeAttempts(tx, flow.id, null);
  });
}

/** @returns whether the flow is complete. */
async function advanceAttempt(
  deps: ActivityDeps,
  flow: Flow,
  attempt: Attempt,
  account: ConnectedAccount | undefined,
): Promise<boolean> {
  const isOver =
    account === undefined || ['FAILED', 'EXPIRED', 'REVOKED', 'INACTIVE'].includes(account.status);
  return forUser(deps.db, flow.userId, async (tx) => {
    if (isOver) {
      // Composio shows a new account a moment late: one that is missing is given up only with its attempt's time.
      if (account !== undefined) {
        const reason = account.status === 'FAILED' ? 'denied' : account.status.toLowerCase();
        await moveAttempt(tx, attempt.id, { from: LIVE_ATTEMPTS, to: 'failed', reason });
      }
      return false;
    }
    if (account.status !== 'ACTIVE' || account.disabled) return false;
    if (attempt.status === 'verified') return (await acceptAttempt(tx, attempt, 'callback')) !== null;
    // Only the integrator's own server can say who consented.
    if (attempt.status === 'awaiting_confirm') return false;
    const seenForMs = await noteActiveSeen(tx, attempt.id);
    if (seenForMs < deps.settings.callbackGraceMs) return false;
    if (deps.settings.verifierMode) {
      await moveAttempt(tx, attempt.id, { from: ['open'], to: 'failed', reason: 'callback_lost' });
      return false;
    }
    return (await acceptAttempt(tx, attempt, 'poll')) !== null;
  });
}
