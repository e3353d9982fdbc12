/** A call whose connection does not work is parked: the flow opens, the user is told, and the same call runs again afterwards. */
import { appendEvents } from '../db/events.ts';
import { releaseToolCall } from '../db/ledger.ts';
import { addNotice } from '../db/notices.ts';
import { type Run, lockRun, refreshRunStatus } from '../db/runs.ts';
import { forUser } from '../db/scope.ts';
import type { ToolCall } from '../db/transcript.ts';
import { addWaiter, settleWaiters } from '../db/waiters.ts';
import type { ConnectedAccount } from '../domain/gate.ts';
import type { GateReason } from '../domain/statuses.ts';
import { isEndedRunStatus } from '../domain/statuses.ts';
import type { Tool } from '../domain/tool.ts';
import type { ActivityDeps } from './deps.ts';
import { openFlowsFor } from './gate.ts';
import { judgeRefusal } from './refused-account.ts';
import { channelsOf } from './run-notices.ts';
import { startDeliveries, startOpenedFlow } from './start-workflows.ts';

export type Parking = {
  readonly run: Run;
  readonly call: ToolCall;
  readonly tool: Tool;
  readonly reason: GateReason;
  readonly account: ConnectedAccount | null;
  /** Of performance.now, before Composio was asked what is the matter. */
  readonly askedAt: number;
  /** An execution with this account was refused, though it was ACTIVE when it was chosen. */
  readonly refused: boolean;
};

export async function parkForConnection(
  deps: ActivityDeps,
  { run, call, tool, refused, askedAt, ...seen }: Parking,
): Promise<
  { status: 'needs_connection'; app: string; reason: GateReason; flowId: string } | { status: 'ended' }
> {
  const channels = channelsOf(deps.settings);
  const { reason, account, refusedAccountId } =
    refused && seen.account !== null
      ? await judgeRefusal(deps, { run, call, reason: seen.reason, account: seen.account })
      : { ...seen, refusedAccountId: null };
  const parked = await forUser(deps.db, run.userId, async (tx) => {
    const locked = await lockRun(tx, run.id);
    if (!locked || isEndedRunStatus(locked.status)) return null;
    await releaseToolCall(tx, { runId: run.id, callId: call.id, attempt: call.attempts }, 'waiting');
    const user = { userId: run.userId, timeoutMs: run.connectTimeoutMs, channels, askedAt };
    const { flows, noticeIds } = await openFlowsFor(tx, user, [
      { app: tool.app, appName: tool.appName, reason, account, refusedAccountId },
    ]);
    const opened = flows.get(tool.app);
    if (!opened) return null;
    const { flow } = opened;
    await addWaiter(tx, {
      flowId: flow.id,
      runId: run.id,
      userId: run.userId,
      app: tool.app,
      reason,
      state: 'waiting',
    });
    await refreshRunStatus(tx, run.id);
    await appendEvents(tx, run, [
      { type: 'connection.required', data: { app: tool.app, reason, flowId: flow.id, callId: call.id } },
    ]);
    const noticeId =
      channels.length === 0
        ? null
        : await addNotice(
            tx,
            {
              userId: run.userId,
              type: 'run.waiting_for_connection',
              dedupeKey: `run:${run.id}:waiting:${flow.id}`,
              app: tool.app,
              flowId: flow.id,
              runId: run.id,
              data: { apps: [tool.app] },
            },
            channels,
          );
    return { opened, noticeIds: noticeId === null ? noticeIds : [...noticeIds, noticeId] };
  });
  if (!parked) return { status: 'ended' };
  await startOpenedFlow(parked.opened);
  await startDeliveries(parked.noticeIds, run.userId, deps);
  return { status: 'needs_connection', app: tool.app, reason, flowId: parked.opened.flow.id };
}

/** The call's app works again: the run no longer waits for it, and says so once. */
export async function resumeAfterConnection(deps: ActivityDeps, run: Run, app: string): Promise<void> {
  await forUser(deps.db, run.userId, async (tx) => {
    const locked = await lockRun(tx, run.id);
    if (!locked || isEndedRunStatus(locked.status)) return;
    const settled = await settleWaiters(tx, run.id, [app]);
    if (settled.length === 0) return;
    await refreshRunStatus(tx, run.id);
    await appendEvents(tx, run, [{ type: 'connection.completed', data: { app } }]);
  });
}
