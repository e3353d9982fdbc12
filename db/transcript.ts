/**
 * The transcript: a run's messages under (run, turn) and its tool calls under (run, call), so that a retried activity
 * finds its own work. Tool results are not copied into messages; they are the ledger's rows.
 */
import { sql } from 'kysely';
import type { Selectable } from 'kysely';
import type { Json } from '../domain/json.ts';
import type { ResolutionOutcome, ToolCallStatus } from '../domain/statuses.ts';
import type { MessagesTable, ToolCallsTable } from './schema.ts';
import type { AnyTx, UserTx } from './scope.ts';

export type Message = {
  readonly runId: string;
  readonly turn: number;
  readonly role: 'user' | 'assistant';
  readonly content: string | null;
  readonly toolCallIds: readonly string[];
  readonly createdAt: Date;
};

export type ToolCall = {
  readonly runId: string;
  readonly id: string;
  readonly userId: string;
  readonly turn: number;
  readonly position: number;
  readonly tool: string;
  readonly app: string | null;
  readonly isWrite: boolean;
  readonly arguments: string;
  readonly digest: string | null;
  readonly accountId: string | null;
  readonly status: ToolCallStatus;
  readonly attempts: number;
  readonly startedAt: Date | null;
  readonly deadlineAt: Date | null;
  readonly finishedAt: Date | null;
  readonly result: Json | null;
  readonly error: string | null;
  /** What an approver made of the arguments; null when nobody changed them. */
  readonly editedArguments: string | null;
  readonly resolution: ResolutionOutcome | null;
  readonly resolver: string | null;
  readonly resolvedAt: Date | null;
};

export type NewToolCall = Pick<ToolCall, 'id' | 'tool' | 'app' | 'isWrite' | 'arguments' | 'position'> & {
  /** Set when the call is refused before it could run, e.g. a tool outside the run's list. */
  readonly refusedBecause?: string;
};

export type NewAssistantMessage = {
  readonly runId: string;
  readonly userId: string;
  readonly turn: number;
  readonly content: string | null;
  readonly toolCalls: readonly NewToolCall[];
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number };
};

export async function getMessage(tx: AnyTx, runId: string, turn: number): Promise<Message | null> {
  const row = await tx
    .selectFrom('messages')
    .selectAll()
    .where('run_id', '=', runId)
    .where('turn', '=', turn)
    .executeTakeFirst();
  return row ? toMessage(row) : null;
}

/** Messages of one run, in order. */
export async function listMessages(tx: AnyTx, runId: string): Promise<readonly Message[]> {
  const rows = await tx
    .selectFrom('messages')
    .selectAll()
    .where('run_id', '=', runId)
    .orderBy('turn')
    .execute();
  return rows.map(toMessage);
}

/** Tool calls of one run, in the order in which the model made them. */
export async function listToolCalls(tx: AnyTx, runId: string): Promise<readonly ToolCall[]> {
  const rows = await tx
    .selectFrom('tool_calls')
    .selectAll()
    .where('run_id', '=', runId)
    .orderBy('turn')
    .orderBy('position')
    .execute();
  return rows.map(toToolCall);
}

/** The newest runs of the thread before this one, oldest first, with their messages: what the model is reminded of. */
export async function listThreadMessages(
  tx: UserTx,
  run: { id: string; userId: string; threadId: string; createdAt: Date },
  limit: number,
): Promise<readonly Message[]> {
  const rows = await tx
    .selectFrom('messages')
    .innerJoin('runs', 'runs.id', 'messages.run_id')
    .selectAll('messages')
    .where('runs.user_id', '=', run.userId)
    .where('runs.thread_id', '=', run.threadId)
    .where('runs.id', '!=', run.id)
    .where('runs.finished_at', 'is not', null)
    .where('runs.created_at', '<=', run.createdAt)
    // Turns that only called tools are left out: their results were for that run.
    .where((eb) =>
      eb.or([eb('messages.role', '=', 'user'), sql<boolean>`cardinality(messages.tool_call_ids) = 0`]),
    )
    .orderBy('runs.created_at', 'desc')
    .orderBy('messages.turn', 'desc')
    .limit(limit)
    .execute();
  return rows.reverse().map(toMessage);
}

export function toMessage(row: Selectable<MessagesTable>): Message {
  return {
    runId: row.run_id,
    turn: row.turn,
    role: row.role,
    content: row.content,
    toolCallIds: row.tool_call_ids,
    createdAt: row.created_at,
  };
}

export function toToolCall(row: Selectable<ToolCallsTable>): ToolCall {
  return {
    runId: row.run_id,
    id: row.id,
    userId: row.user_id,
    turn: row.turn,
    position: row.position,
    tool: row.tool,
    app: row.app,
    isWrite: row.is_write,
    arguments: row.arguments,
    digest: row.digest,
    accountId: row.account_id,
    status: row.status,
    attempts: row.attempts,
    startedAt: row.started_at,
    deadlineAt: row.deadline_at,
    finishedAt: row.finished_at,
    result: row.result,
    error: row.error,
    editedArguments: row.edited_arguments,
    resolution: row.resolution,
    resolver: row.resolver,
    resolvedAt: row.resolved_at,
  };
}
