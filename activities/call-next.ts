/** A place of a user's has become free: the runs next in line are told. A hint; each is admitted by its own `beginRun`. */
import { nextInLine } from '../db/run-queue.ts';
import { forUser } from '../db/scope.ts';
import { runAdmittedSignal } from '../workflows/messages.ts';
import type { ActivityDeps } from './deps.ts';
import { tellRun } from './tell-run.ts';

export async function callNext(deps: ActivityDeps, userId: string): Promise<number> {
  const next = await forUser(deps.db, userId, (tx) => nextInLine(tx, userId, deps.settings.userRuns));
  for (const runId of next) await tellRun(runId, (run) => run.signal(runAdmittedSignal));
  return next.length;
}
