/** Reads runs with what their bodies show. An API key is the integrator's, so it may see any user's run; the id must be one of ours. */
import type { Database } from '../db/pool.ts';
import type { RunDetails } from '../db/run-details.ts';
import { listRunDetails } from '../db/run-details.ts';
import type { Run } from '../db/runs.ts';
import { getRun } from '../db/runs.ts';
import type { AnyTx } from '../db/scope.ts';
import { asSystem } from '../db/scope.ts';
import type { Principal } from './auth.ts';
import { hasScope } from './auth.ts';
import { ApiProblem } from './problem-codes.ts';
import type { RunBody, RunView } from './schemas/run.ts';
import { toRunBody } from './schemas/run.ts';

const NO_DETAILS: RunDetails = { waiting: [], toolCalls: [], approvals: new Map() };

export async function viewRuns(
  tx: AnyTx,
  runs: readonly Run[],
  options: { withContent: boolean },
): Promise<RunView[]> {
  if (runs.length === 0) return [];
  const details = await listRunDetails(
    tx,
    runs.map((run) => run.id),
    options,
  );
  return runs.map((run) => ({ run, ...(details.get(run.id) ?? NO_DETAILS) }));
}

/** @throws ApiProblem not_found. */
export async function readRunBody(
  deps: { db: Database; publicUrl: string },
  runId: string,
  principal: Principal,
): Promise<RunBody> {
  const withContent = hasScope(principal, 'operator');
  const view = await asSystem(deps.db, async (tx) => {
    const run = await getRun(tx, runId);
    return run ? (await viewRuns(tx, [run], { withContent }))[0] : undefined;
  });
  if (!view) throw new ApiProblem('not_found');
  return toRunBody(view, { publicUrl: deps.publicUrl, withContent });
}
