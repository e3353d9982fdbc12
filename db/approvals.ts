/**
 * Approvals of tool calls: one row per asking, decided by a compare-and-set, so that a decision holds with no worker up and
 * the first one wins. What was approved is a digest; the ledger looks again whether it is what leaves (ledger.ts).
 */
import { sql } from 'kysely';
import type { Selectable } from 'kysely';
import type { ApprovalStatus } from '../domain/statuses.ts';
import type { ApprovalsTable } from './schema.ts';
import type { AnyTx, SystemTx, UserTx } from './scope.ts';

export type Approval = {
  readonly runId: string;
  readonly callId: string;
  /** 1 for the first asking; more when the account behind the call changed after it was approved. */
  readonly round: number;
  readonly userId: string;
  readonly digest: string;
  readonly accountId: string | null;
  readonly status: ApprovalStatus;
  readonly requestedAt: Date;
  readonly expiresAt: Date;
  readonly decidedAt: Date | null;
  readonly approver: string | null;
  readonly reason: string | null;
};
type Key = { readonly runId: string; readonly callId: string };

/** The newest asking for a call, and how long it may still be decided, milliseconds by the database's clock. */
export async function getApproval(
  tx: AnyTx,
  key: Key,
): Promise<{ approval: Approval; msLeft: number } | null> {
  const row = await tx
    .selectFrom('approvals')
    .selectAll()
    .select(
      sql<number>`greatest(0, extract(epoch from expires_at - clock_timestamp()) * 1000)::float8`.as(
        'ms_left',
      ),
    )
    .where('run_id', '=', key.runId)
    .where('call_id', '=', key.callId)
    .orderBy('round', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row ? { approval: toApproval(row), msLeft: row.ms_left } : null;
}

/** Asks, under the run row's lock. */
export async function addApproval(
  tx: UserTx,
  asking: Key & {
    round: number;
    userId: string;
    digest: string;
    accountId: string | null;
    timeoutMs: number;
  },
): Promise<void> {
  await tx
    .insertInto('approvals')
    .values({
      run_id: asking.runId,
      call_id: asking.callId,
      round: asking.round,
      user_id: asking.userId,
      digest: asking.digest,
      account_id: asking.accountId,
      expires_at: sql<Date>`clock_timestamp() + ${asking.timeoutMs}::float8 * interval '1 millisecond'`,
      approver: null,
      reason: null,
    })
    .execute();
}

/** The first decision wins. `digest` is that of what may run: with edited arguments another one than was asked for. */
export async function decideApproval(
  tx: AnyTx,
  key: Key & { round: number },
  decision: {
    status: Exclude<ApprovalStatus, 'requested'>;
    digest: string;
    approver: string | null;
    reason: string | null;
  },
): Promise<boolean> {
  const result = await tx
    .updateTable('approvals')
    .set({
      status: decision.status,
      digest: decision.digest,
      approver: decision.approver,
      reason: decision.reason,
      decided_at: sql<Date>`clock_timestamp()`,
    })
    .where('run_id', '=', key.runId)
    .where('call_id', '=', key.callId)
    .where('round', '=', key.round)
    .where('status', '=', 'requested')
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Calls that were decided a while ago and still wait: the word to their workflow was lost. */
export async function listUnheardDecisions(
  tx: SystemTx,
  page: { olderThanMs: number; limit: number },
): Promise<readonly Key[]> {
  const rows = await tx
    .selectFrom('approvals')
    .innerJoin('tool_calls', (join) =>
      join
        .onRef('tool_calls.run_id', '=', 'approvals.run_id')
        .onRef('tool_calls.id', '=', 'approvals.call_id'),
    )
    .innerJoin('runs', 'runs.id', 'approvals.run_id')
    .select(['approvals.run_id', 'approvals.call_id'])
    .where('approvals.decided_at', '<', sql<Date>`now() - ${page.olderThanMs} * interval '1 millisecond'`)
    .where('tool_calls.status', '=', 'waiting')
    .where('runs.finished_at', 'is', null)
    .where(
      sql<boolean>`approvals.round = (select max(a.round) from approvals a
        where a.run_id = approvals.run_id and a.call_id = approvals.call_id)`,
    )
    // A call that waits for a connection after it was approved is woken by its flow.
    .where(
      sql<boolean>`not exists (select 1 from flow_waiters w
        where w.run_id = approvals.run_id and w.app = tool_calls.app and w.state = 'waiting')`,
    )
    .orderBy('approvals.decided_at')
    .limit(page.limit)
    .execute();
  return rows.map((row) => ({ runId: row.run_id, callId: row.call_id }));
}

export function toApproval(row: Selectable<ApprovalsTable>): Approval {
  return {
    runId: row.run_id,
    callId: row.call_id,
    round: row.round,
    userId: row.user_id,
    digest: row.digest,
    accountId: row.account_id,
    status: row.status,
    requestedAt: row.requested_at,
    expiresAt: row.expires_at,
    decidedAt: row.decided_at,
    approver: row.approver,
    reason: row.reason,
  };
}
