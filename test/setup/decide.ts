/** A person's decisions as the API writes them, without the API: rows first, then a hint. */
import { decideApproval, getApproval } from '../../db/approvals.ts';
import { resolveToolCall } from '../../db/resolutions.ts';
import { lockRun, refreshRunStatus } from '../../db/runs.ts';
import { forUser } from '../../db/scope.ts';
import type { ResolutionOutcome } from '../../domain/statuses.ts';
import { callDecidedSignal, runWorkflowId } from '../../workflows/messages.ts';
import type { TestBellhop } from './bellhop.ts';

type Call = { readonly userId: string; readonly runId: string; readonly callId: string };

/** @throws when nothing waits for the decision. */
export async function approve(bellhop: TestBellhop, { userId, ...key }: Call): Promise<void> {
  await forUser(bellhop.db, userId, async (tx) => {
    await lockRun(tx, key.runId);
    const found = await getApproval(tx, key);
    if (!found) throw new Error('nobody asked');
    const { round, digest } = found.approval;
    const decision = { status: 'approved' as const, digest, approver: 'dana', reason: null };
    if (!(await decideApproval(tx, { ...key, round }, decision))) throw new Error('decided already');
    await refreshRunStatus(tx, key.runId);
  });
  await tell(bellhop, key);
}

/** @throws when the outcome is not unknown. */
export async function resolve(
  bellhop: TestBellhop,
  { userId, ...key }: Call,
  outcome: ResolutionOutcome,
): Promise<void> {
  await forUser(bellhop.db, userId, async (tx) => {
    await lockRun(tx, key.runId);
    if (!(await resolveToolCall(tx, key, { outcome, result: null, resolver: 'dana' })))
      throw new Error('not unknown');
    await refreshRunStatus(tx, key.runId);
  });
  await tell(bellhop, key);
}

async function tell(bellhop: TestBellhop, key: { runId: string; callId: string }): Promise<void> {
  await bellhop.client.workflow.getHandle(runWorkflowId(key.runId)).signal(callDecidedSignal, key);
}
