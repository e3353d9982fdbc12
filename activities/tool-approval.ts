/**
 * A call that a person must allow: asks once for exactly this tool, these arguments and this account, and lets it pass only
 * with that. The ledger looks again when the request leaves (db/ledger.ts), so nothing that changed meanwhile slips through.
 */
import { addApproval, type Approval, decideApproval, getApproval } from '../db/approvals.ts';
import { appendEvents } from '../db/events.ts';
import { releaseToolCall, settleToolCall } from '../db/ledger.ts';
import { addNotice } from '../db/notices.ts';
import { type Run, lockRun, refreshRunStatus } from '../db/runs.ts';
import { forUser, type UserTx } from '../db/scope.ts';
import { runStatement } from '../db/statement.ts';
import type { ToolCall } from '../db/transcript.ts';
import { isEndedRunStatus } from '../domain/statuses.ts';
import type { Tool } from '../domain/tool.ts';
import type { ActivityDeps } from './deps.ts';
import { channelsOf } from './run-notices.ts';
import { startDeliveries } from './start-workflows.ts';

export type Asking = {
  readonly run: Run;
  readonly call: ToolCall;
  readonly tool: Tool;
  readonly accountId: string | null;
  /** Of what would be sent now. */
  readonly digest: string;
};
export type ApprovalVerdict =
  | { readonly kind: 'approved' }
  /** `expiresInMs`: when to come again although nobody has decided. */
  | { readonly kind: 'needs_approval'; readonly expiresInMs: number }
  | { readonly kind: 'denied' }
  | { readonly kind: 'ended' };

const EXPIRED = 'expired: nobody allowed this call in time.';

export async function passApproval(deps: ActivityDeps, asking: Asking): Promise<ApprovalVerdict> {
  const { run } = asking;
  const { verdict, noticeId } = await forUser(deps.db, run.userId, (tx) => judge(deps, tx, asking));
  if (noticeId !== null) await startDeliveries([noticeId], run.userId, deps);
  return verdict;
}

type Judged = { readonly verdict: ApprovalVerdict; readonly noticeId: string | null };

async function judge(deps: ActivityDeps, tx: UserTx, asking: Asking): Promise<Judged> {
  const { run, call, digest } = asking;
  const key = { runId: run.id, callId: call.id };
  const locked = await lockRun(tx, run.id);
  if (!locked || isEndedRunStatus(locked.status)) return { verdict: { kind: 'ended' }, noticeId: null };
  const found = await getApproval(tx, key);
  if (!found) return ask(deps, tx, asking, 1);
  const { approval, msLeft } = found;
  switch (approval.status) {
    case 'approved':
      // The account changed since, so that what was allowed is not what would run.
      if (approval.digest !== digest) return ask(deps, tx, asking, approval.round + 1);
      return { verdict: { kind: 'approved' }, noticeId: null };
    case 'denied':
    case 'expired':
      return { verdict: { kind: 'denied' }, noticeId: null };
    case 'requested':
      if (msLeft <= 0) return { verdict: await expire(tx, asking, approval), noticeId: null };
      // Asked with one account, and another one would act by now: the older asking must not be decided for it.
      if (approval.digest !== digest) {
        await decideApproval(tx, { ...key, round: approval.round }, withdrawn(approval));
        return ask(deps, tx, asking, approval.round + 1);
      }
      return { verdict: { kind: 'needs_approval', expiresInMs: msLeft }, noticeId: null };
  }
}

async function ask(deps: ActivityDeps, tx: UserTx, asking: Asking, round: number): Promise<Judged> {
  const { run, call, tool, accountId, digest } = asking;
  const key = { runId: run.id, callId: call.id };
  const { timeoutMs } = run.approvals;
  await releaseToolCall(tx, { ...key, attempt: call.attempts }, 'waiting');
  await addApproval(tx, { ...key, round, userId: run.userId, digest, accountId, timeoutMs });
  await refreshRunStatus(tx, run.id);
  const data = { callId: call.id, tool: tool.slug };
  await appendEvents(tx, run, [{ type: 'approval.requested', data }]);
  const channels = channelsOf(deps.settings);
  const noticeId =
    channels.length === 0
      ? null
      : await addNotice(
          tx,
          {
            userId: run.userId,
            type: 'approval.requested',
            dedupeKey: `run:${run.id}:approval:${call.id}:${String(round)}`,
            app: null,
            flowId: null,
            runId: run.id,
            data,
          },
          channels,
        );
  return { verdict: { kind: 'needs_approval', expiresInMs: timeoutMs }, noticeId };
}

async function expire(tx: UserTx, asking: Asking, approval: Approval): Promise<ApprovalVerdict> {
  const { run, call, tool } = asking;
  const key = { runId: run.id, callId: call.id };
  await decideApproval(tx, { ...key, round: approval.round }, { ...withdrawn(approval), reason: EXPIRED });
  await appendEvents(tx, run, [
    { type: 'approval.decided', data: { callId: call.id, tool: tool.slug, decision: 'expired' } },
  ]);
  await runStatement(
    tx,
    settleToolCall({ ...key, attempt: call.attempts }, { status: 'denied', error: EXPIRED }),
  );
  await refreshRunStatus(tx, run.id);
  return { kind: 'denied' };
}

function withdrawn(approval: Approval) {
  return { status: 'expired' as const, digest: approval.digest, approver: null, reason: null };
}
