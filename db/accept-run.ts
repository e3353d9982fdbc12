/** Acceptance: a run exists for its user once its row, its thread's lock and its first message are written together. */
import { sql } from 'kysely';
import type { JsonObject } from '../domain/json.ts';
import type { RunLimits } from '../domain/limits.ts';
import { type Run, toRun } from './runs.ts';
import type { ApprovalPolicy } from './schema.ts';
import type { UserTx } from './scope.ts';

export type NewRun = {
  readonly id: string;
  readonly userId: string;
  /** A new thread is made for an id that the user does not have yet. */
  readonly threadId: string;
  readonly task: string;
  readonly instructions: string | null;
  readonly model: string | null;
  readonly tools: readonly string[];
  readonly onMissingConnection: 'wait' | 'fail';
  readonly connectTimeoutMs: number;
  readonly approvals: ApprovalPolicy;
  readonly onUnknownOutcome: 'continue' | 'wait';
  readonly limits: RunLimits;
  readonly metadata: JsonObject;
};

export type Acceptance =
  { readonly kind: 'accepted'; readonly run: Run } | { readonly kind: 'thread_busy'; readonly runId: string };

/** @throws the foreign-key violation 23503 when the user is not registered. */
export async function acceptRun(tx: UserTx, run: NewRun): Promise<Acceptance> {
  await tx
    .insertInto('threads')
    .values({ user_id: run.userId, id: run.threadId, active_run_id: null })
    .onConflict((oc) => oc.doNothing())
    .execute();
  const thread = await tx
    .selectFrom('threads')
    .select('active_run_id')
    .where('user_id', '=', run.userId)
    .where('id', '=', run.threadId)
    .forUpdate()
    .executeTakeFirstOrThrow();
  if (thread.active_run_id !== null) return { kind: 'thread_busy', runId: thread.active_run_id };
  await tx
    .updateTable('threads')
    .set({ active_run_id: run.id })
    .where('user_id', '=', run.userId)
    .where('id', '=', run.threadId)
    .execute();
  const row = await tx
    .insertInto('runs')
    .values({
      id: run.id,
      user_id: run.userId,
      thread_id: run.threadId,
      task: run.task,
      instructions: run.instructions,
      model: run.model,
      tools: [...run.tools],
      on_missing_connection: run.onMissingConnection,
      connect_timeout_ms: run.connectTimeoutMs,
      approvals: JSON.stringify(run.approvals),
      on_unknown_outcome: run.onUnknownOutcome,
      limits: JSON.stringify(run.limits),
      metadata: JSON.stringify(run.metadata),
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  await tx
    .insertInto('messages')
    .values({
      run_id: run.id,
      turn: 0,
      user_id: run.userId,
      role: 'user',
      content: run.task,
      tool_call_ids: [],
    })
    .execute();
  return { kind: 'accepted', run: toRun(row) };
}

/** Takes an acceptance back: Temporal provably refused the start. Does nothing once the workflow has run. */
export async function withdrawRun(
  tx: UserTx,
  run: { id: string; userId: string; threadId: string },
): Promise<void> {
  const gone = await tx
    .deleteFrom('runs')
    .where('id', '=', run.id)
    .where('started_at', 'is', null)
    .executeTakeFirst();
  if (gone.numDeletedRows === 0n) return;
  await tx
    .updateTable('threads')
    .set({ active_run_id: sql<null>`null` })
    .where('user_id', '=', run.userId)
    .where('id', '=', run.threadId)
    .where('active_run_id', '=', run.id)
    .execute();
}
