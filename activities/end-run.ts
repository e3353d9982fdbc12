/** The end of a run that did not complete, in one transaction: status, waiters, calls without a word, events, notice. */
import { appendEvents } from '../db/events.ts';
import { abandonOpenCalls } from '../db/ledger.ts';
import { type RunEnd, finishRun, getRun } from '../db/runs.ts';
import { forUser } from '../db/scope.ts';
import { settleWaiters } from '../db/waiters.ts';
import type { RunStatus } from '../domain/statuses.ts';
import { callNext } from './call-next.ts';
import type { ActivityDeps } from './deps.ts';
import { noticeOfEnd } from './run-notices.ts';
import { startDeliveries } from './start-workflows.ts';

/** The first end wins; calling again changes nothing. @returns the run's status now, and whether this call brought it about. */
export async function endRunOnce(
  deps: ActivityDeps,
  run: { id: string; userId: string },
  end: Exclude<RunEnd, { status: 'completed' }>,
): Promise<{ status: RunStatus; isNew: boolean }> {
  const { noticeIds, ...ended } = await forUser(deps.db, run.userId, async (tx) => {
    if (!(await finishRun(tx, run.id, end))) {
      const now = await getRun(tx, run.id);
      return { status: now?.status ?? end.status, isNew: false, noticeIds: [] };
    }
    await settleWaiters(tx, run.id, null);
    const abandoned = await abandonOpenCalls(tx, run.id);
    await appendEvents(tx, run, [
      ...abandoned.map((call) => ({ type: 'tool.unknown' as const, data: { ...call, status: 'unknown' } })),
      end.status === 'cancelled'
        ? { type: 'run.cancelled' }
        : { type: 'run.failed', data: { code: end.error.code } },
    ]);
    const noticeIds = end.status === 'failed' ? await noticeOfEnd(tx, run, 'run.failed', deps.settings) : [];
    return { status: end.status, isNew: true, noticeIds };
  });
  await startDeliveries(noticeIds, run.userId, deps);
  if (ended.isNew) await callNext(deps, run.userId);
  return ended;
}
