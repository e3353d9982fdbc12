/** What follows the end of a flow, safe to repeat: the waiting runs are woken, and the integrator is told. */
import { supersedeAccounts } from '../db/attempts.ts';
import type { FlowEndFacts } from '../db/flow-end.ts';
import { addNotice } from '../db/notices.ts';
import { forUser } from '../db/scope.ts';
import type { ActivityDeps } from './deps.ts';
import { channelsOf } from './run-notices.ts';
import { startDeliveries } from './start-workflows.ts';
import { wakeRun } from './tell-run.ts';

export async function finishFlow(
  deps: ActivityDeps,
  { flow, runIds, replaces }: Pick<FlowEndFacts, 'flow' | 'runIds' | 'replaces'>,
): Promise<void> {
  // An expired flow wakes nobody: a run has its own time-out.
  if (flow.status !== 'expired') await Promise.all(runIds.map((runId) => wakeRun(runId, flow.app)));
  const { accountId } = flow;
  if (flow.status !== 'completed' || accountId === null) return;
  const channels = channelsOf(deps.settings);
  if (!replaces && channels.length === 0) return;
  const noticeId = await forUser(deps.db, flow.userId, async (tx) => {
    await supersedeAccounts(tx, { userId: flow.userId, app: flow.app, flowId: flow.id, keep: accountId });
    if (channels.length === 0) return null;
    return addNotice(
      tx,
      {
        userId: flow.userId,
        type: 'connection.completed',
        dedupeKey: `flow:${flow.id}:completed`,
        app: flow.app,
        flowId: flow.id,
        runId: null,
        data: { accountId },
      },
      channels,
    );
  });
  await startDeliveries(noticeId === null ? [] : [noticeId], flow.userId, deps);
}
