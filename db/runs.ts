/** Runs: the read model that the API answers from, and each change of a run's status. */
import type { Selectable } from 'kysely';
import { sql } from 'kysely';
import type { JsonObject } from '../domain/json.ts';
import type { RunLimits } from '../domain/limits.ts';
import type { RunErrorCode, RunStatus } from '../domain/statuses.ts';
import { OPEN_RUN } from './open-rows.ts';
import type { ApprovalPolicy, RunsTable } from './schema.ts';
import type { AnyTx, SystemTx, UserTx } from './scope.ts';

export type Run = {
  readonly id: string;
  readonly userId: string;
  readonly threadId: string;
  readonly status: RunStatus;
  readonly task: string;
  readonly instructions: string | null;
  readonly model: string | null;
  readonly tools: readonly string[];
  readonly apps: readonly string[];
  readonly onMissingConnection: 'wait' | 'fail';
  readonly connectTimeoutMs: number;
  readonly approvals: ApprovalPolicy;
  readonly onUnknownOutcome: 'continue' | 'wait';
  readonly limits: RunLimits;
  readonly metadata: JsonObject;
  readonly output: string | null;
  readonly error: { readonly code: RunErrorCode; readonly message: string } | null;
  readonly usage: {
    readonly modelCalls: number;
    readonly toolCalls: number;
    readonly inputTokens: number;
    readonly outputTokens: number;
  };
  readonly lastEventSeq: number;
  readonly cancelRequestedAt: Date | null;
  /** When it got its place among its user's runs at work; null before, and while it waits in line. */
  readonly admittedAt: Date | null;
  readonly startedAt: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly finishedAt: Date | null;
};

export async function getRun(tx: AnyTx, runId: string): Promise<Run | null> {
  const row = await tx.selectFrom('runs').selectAll().where('id', '=', runId).executeTakeFirst();
  return row ? toRun(row) : null;
}

/** Locks the run's row: events take their numbers and statuses change under this lock. */
export async function lockRun(tx: AnyTx, runId: string): Promise<Run | null> {
  const row = await tx.selectFrom('runs').selectAll().where('id', '=', runId).forUpdate().executeTakeFirst();
  return row ? toRun(row) : null;
}

export type RunPage = {
  readonly userId?: string;
  readonly status?: RunStatus;
  /** The last run of the page before this one. */
  readonly before: { readonly createdAt: string; readonly id: string } | null;
  readonly limit: number;
};

/** Newest first. `createdAtText` is the exact key (microseconds), for the cursor. */
export async function listRuns(
  tx: SystemTx,
  page: RunPage,
): Promise<readonly { run: Run; createdAtText: string }[]> {
  let query = tx
    .selectFrom('runs')
    .selectAll()
    .select(sql<string>`created_at::text`.as('created_at_text'))
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(page.limit);
  if (page.userId !== undefined) query = query.where('user_id', '=', page.userId);
  if (page.status !== undefined) query = query.where('status', '=', page.status);
  const { before } = page;
  if (before)
    query = query.where(sql<boolean>`(created_at, id) < (${before.createdAt}::timestamptz, ${before.id})`);
  return (await query.execute()).map((row) => ({ run: toRun(row), createdAtText: row.created_at_text }));
}

export type RunHead = {
  readonly id: string;
  readonly status: RunStatus;
  readonly lastEventSeq: number;
  readonly isCancelRequested: boolean;
  /** Everything that it waits for has been connected; its workflow has not come to it yet. */
  readonly isResuming: boolean;
};

/** Status and newest event number of some runs, for those who wait for a change, and whether their end was asked for. */
export async function runHeads(tx: SystemTx, ids: readonly string[]): Promise<readonly RunHead[]> {
  const rows = await tx
    .selectFrom('runs')
    .select(['id', 'status', 'last_event_seq', 'cancel_requested_at'])
    .select(
      sql<boolean>`status = 'waiting_for_connection' and exists (
        select 1 from flow_waiters w where w.run_id = runs.id and w.state = 'waiting'
      ) and not exists (
        select 1 from flow_waiters w join connection_flows f on f.id = w.flow_id
        where w.run_id = runs.id and w.state = 'waiting' and f.status <> 'completed'
      )`.as('is_resuming'),
    )
    .where('id', '=', sql<string>`any(${ids as string[]}::text[])`)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    status: row.status,
    lastEventSeq: row.last_event_seq,
    isCancelRequested: row.cancel_requested_at !== null,
    isResuming: row.is_resuming,
  }));
}

/** Marks that the workflow runs, and the apps that its tools need. */
export async function markRunStarted(tx: UserTx, runId: string, apps: readonly string[]): Promise<void> {
  await tx
    .updateTable('runs')
    .set({
      started_at: sql<Date>`coalesce(started_at, now())`,
      apps: [...apps],
      updated_at: sql<Date>`now()`,
    })
    .where('id', '=', runId)
    .execute();
}

/** Changes the status of a run that has not ended. @returns whether it did. */
export async function setRunStatus(tx: AnyTx, runId: string, status: RunStatus): Promise<boolean> {
  const result = await tx
    .updateTable('runs')
    .set({ status, updated_at: sql<Date>`now()` })
    .where('id', '=', runId)
    .where('finished_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/**
 * Sets the status of a run that has not ended to what its rows say: the first that holds of waiting for a connection, for
 * an approval, for a resolution, else running. Call it under the run row's lock, after the rows have changed.
 */
export async function refreshRunStatus(tx: AnyTx, runId: string): Promise<void> {
  await sql`
    update runs r set updated_at = now(), status = case
      when exists (select 1 from flow_waiters w where w.run_id = r.id and w.state = 'waiting')
        then 'waiting_for_connection'
      when exists (select 1 from approvals a join tool_calls c on c.run_id = a.run_id and c.id = a.call_id
        where a.run_id = r.id and a.status = 'requested' and c.status = 'waiting')
        then 'waiting_for_approval'
      when r.on_unknown_outcome = 'wait'
        and exists (select 1 from tool_calls c where c.run_id = r.id and c.status = 'unknown')
        then 'waiting_for_resolution'
      else 'running' end
    where r.id = ${runId} and r.finished_at is null`.execute(tx);
}

export type RunEnd =
  | { readonly status: 'completed'; readonly output: string | null }
  | { readonly status: 'failed'; readonly error: { readonly code: RunErrorCode; readonly message: string } }
  | { readonly status: 'cancelled' };

/** Ends a run once and frees its thread. The first end wins. @returns whether this call ended it. */
export async function finishRun(tx: AnyTx, runId: string, end: RunEnd): Promise<boolean> {
  const row = await tx
    .updateTable('runs')
    .set({
      status: end.status,
      output: end.status === 'completed' ? end.output : null,
      error_code: end.status === 'failed' ? end.error.code : null,
      error_message: end.status === 'failed' ? end.error.message : null,
      finished_at: sql<Date>`now()`,
      updated_at: sql<Date>`now()`,
    })
    .where('id', '=', runId)
    .where('finished_at', 'is', null)
    .returning(['user_id', 'thread_id'])
    .executeTakeFirst();
  if (!row) return false;
  await tx
    .updateTable('threads')
    .set({ active_run_id: null })
    .where('user_id', '=', row.user_id)
    .where('id', '=', row.thread_id)
    .where('active_run_id', '=', runId)
    .execute();
  return true;
}

/** Marks that the run was looked at. */
export async function touchRun(tx: SystemTx, runId: string): Promise<void> {
  await tx
    .updateTable('runs')
    .set({ updated_at: sql<Date>`now()` })
    .where('id', '=', runId)
    .where('finished_at', 'is', null)
    .execute();
}

/** Notes that somebody asked for the end. @returns whether the run was still open. */
export async function requestCancel(tx: AnyTx, runId: string): Promise<boolean> {
  const result = await tx
    .updateTable('runs')
    .set({
      cancel_requested_at: sql<Date>`coalesce(cancel_requested_at, now())`,
      updated_at: sql<Date>`now()`,
    })
    .where('id', '=', runId)
    .where('finished_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Runs whose end was asked for and has not come. */
export async function listUnheardCancels(
  tx: SystemTx,
  page: { olderThanMs: number; limit: number },
): Promise<readonly { id: string; userId: string }[]> {
  const rows = await tx
    .selectFrom('runs')
    .select(['id', 'user_id'])
    .where(sql.raw<boolean>(OPEN_RUN))
    .where('cancel_requested_at', '<', sql<Date>`now() - ${page.olderThanMs} * interval '1 millisecond'`)
    .orderBy('cancel_requested_at')
    .limit(page.limit)
    .execute();
  return rows.map((row) => ({ id: row.id, userId: row.user_id }));
}

/** Runs that were accepted at least `olderThanMs` ago and whose workflow never ran. */
export async function listUnstartedRuns(
  tx: SystemTx,
  page: { olderThanMs: number; limit: number },
): Promise<readonly { id: string; userId: string }[]> {
  const rows = await tx
    .selectFrom('runs')
    .select(['id', 'user_id'])
    .where(sql.raw<boolean>(OPEN_RUN))
    .where('started_at', 'is', null)
    .where('created_at', '<', sql<Date>`now() - ${page.olderThanMs} * interval '1 millisecond'`)
    .orderBy('created_at')
    .limit(page.limit)
    .execute();
  return rows.map((row) => ({ id: row.id, userId: row.user_id }));
}

/** A keyset page of started runs that have not ended and have not changed for a while. */
export async function listQuietRuns(
  tx: SystemTx,
  page: { quietForMs: number; after: string | null; limit: number },
): Promise<readonly { id: string; userId: string }[]> {
  let query = tx
    .selectFrom('runs')
    .select(['id', 'user_id'])
    .where(sql.raw<boolean>(OPEN_RUN))
    .where('started_at', 'is not', null)
    .where('updated_at', '<', sql<Date>`now() - ${page.quietForMs} * interval '1 millisecond'`)
    .orderBy('id')
    .limit(page.limit);
  if (page.after !== null) query = query.where('id', '>', page.after);
  return (await query.execute()).map((row) => ({ id: row.id, userId: row.user_id }));
}

export function toRun(row: Selectable<RunsTable>): Run {
  return {
    id: row.id,
    userId: row.user_id,
    threadId: row.thread_id,
    status: row.status,
    task: row.task,
    instructions: row.instructions,
    model: row.model,
    tools: row.tools,
    apps: row.apps,
    onMissingConnection: row.on_missing_connection,
    connectTimeoutMs: row.connect_timeout_ms,
    approvals: row.approvals,
    onUnknownOutcome: row.on_unknown_outcome,
    limits: row.limits,
    metadata: row.metadata,
    output: row.output,
    error: row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' },
    usage: {
      modelCalls: row.model_calls,
      toolCalls: row.tool_calls,
      inputTokens: row.input_tokens,
      outputTokens: row.output_tokens,
    },
    lastEventSeq: row.last_event_seq,
    cancelRequestedAt: row.cancel_requested_at,
    admittedAt: row.admitted_at,
    startedAt: row.started_at,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    finishedAt: row.finished_at,
  };
}
