/**
 * The tool ledger: what was about to be done is written before the request leaves, what came of it after. Every change is
 * a compare-and-set on status and attempt, so a worker that was frozen and wakes cannot overwrite a newer attempt's word.
 */
import { sql } from 'kysely';
import { type Json, storableJson, storableText } from '../domain/json.ts';
import { TOOL_CALL_STATUSES, TOOL_CALL_TRANSITIONS, type ToolCallStatus } from '../domain/statuses.ts';
import type { AnyTx, UserTx } from './scope.ts';
import type { Statement } from './statement.ts';
import { type ToolCall, toToolCall } from './transcript.ts';

/** From where a call may come to `to` by a worker's word. What is unknown stays so until a person resolves it. */
const before = (to: ToolCallStatus): readonly ToolCallStatus[] =>
  TOOL_CALL_STATUSES.filter((status) => status !== 'unknown' && TOOL_CALL_TRANSITIONS[status].includes(to));

const BEFORE_STARTED = before('started');

export async function getToolCall(
  tx: AnyTx,
  key: { runId: string; callId: string },
): Promise<ToolCall | null> {
  const row = await tx
    .selectFrom('tool_calls')
    .selectAll()
    .where('run_id', '=', key.runId)
    .where('id', '=', key.callId)
    .executeTakeFirst();
  return row ? toToolCall(row) : null;
}

/** How long the newest request may still have an effect, by the database's clock; 0 when its deadline is over. Milliseconds. */
export async function msUntilDeadline(tx: UserTx, key: { runId: string; callId: string }): Promise<number> {
  const row = await tx
    .selectFrom('tool_calls')
    .select(sql<number>`greatest(0, extract(epoch from deadline_at - now()) * 1000)::float8`.as('ms'))
    .where('run_id', '=', key.runId)
    .where('id', '=', key.callId)
    .executeTakeFirst();
  return row?.ms ?? 0;
}

const START_TOOL_CALL = `
  with call as (
    update tool_calls as c set
      status = 'started', attempts = attempts + 1, account_id = $4::text, digest = $5::text,
      started_at = clock_timestamp(),
      deadline_at = clock_timestamp() + $6::float8 * interval '1 millisecond'
    where run_id = $1::text and id = $2::text and attempts = $3::int
      and status = any($7::text[])
      and not exists (
        select 1 from connection_attempts a
        where a.user_id = c.user_id and a.account_id = $4::text and a.status <> 'accepted')
      and not (c.is_write and exists (
        select 1 from tool_calls o
        where o.run_id = c.run_id and o.id <> c.id and o.tool = c.tool and o.is_write and o.status = 'unknown'
          and o.account_id is not distinct from $4::text))
      and (not $8::boolean or (
        select p.status = 'approved' and p.digest = $5::text from approvals p
        where p.run_id = c.run_id and p.call_id = c.id order by p.round desc limit 1))
    returning id, user_id, tool, attempts
  ), counter as (
    update runs set last_event_seq = last_event_seq + 1 where id = $1::text and exists (select 1 from call)
    returning last_event_seq
  ), told as (
    insert into run_events (run_id, seq, user_id, type, data)
    select $1::text, last_event_seq, user_id, 'tool.started',
      jsonb_build_object('callId', id, 'tool', tool, 'attempt', attempts)
    from call, counter
  )
  select attempts from call`;

/**
 * The last thing before a request leaves, with its event. `expectedAttempts` is what the caller read: when another attempt
 * has started the call meanwhile, this one must not send. Nor may a write whose tool and account have an unknown outcome in
 * this run, nor an account of a connect attempt that nobody answered for, nor a call that needs an approval and has none
 * for exactly this digest, whatever the caller read before.
 * Gives the number of this attempt, or null when the call must not leave.
 */
export function startToolCall(start: {
  runId: string;
  callId: string;
  expectedAttempts: number;
  accountId: string | null;
  digest: string;
  timeoutMs: number;
  needsApproval: boolean;
}): Statement<number | null> {
  const { runId, callId, expectedAttempts, accountId, digest, timeoutMs, needsApproval } = start;
  return {
    isPrepared: true,
    text: START_TOOL_CALL,
    values: [runId, callId, expectedAttempts, accountId, digest, timeoutMs, BEFORE_STARTED, needsApproval],
    read: ([row]) => (row as { attempts: number } | undefined)?.attempts ?? null,
  };
}

export type ToolCallOutcome =
  | { readonly status: 'done'; readonly result: Json; readonly logId: string | null }
  | {
      readonly status: 'failed';
      readonly error: string;
      readonly result?: Json;
      readonly logId?: string | null;
    }
  | { readonly status: 'unknown'; readonly error: string }
  /** `error` is the reason that the model is told. */
  | { readonly status: 'denied'; readonly error: string };

const SETTLE_TOOL_CALL = `
  with call as (
    update tool_calls set
      status = $4::text, result = $5::jsonb, error = $6::text, log_id = $7::text, finished_at = clock_timestamp()
    where run_id = $1::text and id = $2::text and attempts = $3::int and status = any($8::text[])
    returning id, user_id, tool, status
  ), counter as (
    update runs set last_event_seq = last_event_seq + 1 where id = $1::text and exists (select 1 from call)
    returning last_event_seq
  ), told as (
    insert into run_events (run_id, seq, user_id, type, data)
    select $1::text, last_event_seq, user_id,
      case status when 'unknown' then 'tool.unknown' else 'tool.completed' end,
      jsonb_build_object('callId', id, 'tool', tool, 'status', status)
    from call, counter
  )
  select id from call`;

/**
 * Settles a call, with its event. `attempt` 0 settles one that was never sent. Gives false when a newer attempt or an end was there first.
 * What the provider wrote is kept but for what PostgreSQL cannot keep: a settled call must not fail for its error's text.
 */
export function settleToolCall(
  key: { runId: string; callId: string; attempt: number },
  outcome: ToolCallOutcome,
): Statement<boolean> {
  return {
    isPrepared: true,
    text: SETTLE_TOOL_CALL,
    values: [
      key.runId,
      key.callId,
      key.attempt,
      outcome.status,
      'result' in outcome && outcome.result !== undefined ? storableJson(outcome.result) : null,
      outcome.status === 'done' ? null : storableText(outcome.error),
      'logId' in outcome && outcome.logId ? storableText(outcome.logId) : null,
      before(outcome.status),
    ],
    read: (rows) => rows.length > 0,
  };
}

/**
 * Nothing was done, and the same call will run again with the same arguments: as soon as it can (`pending`), or when its
 * user has connected the app (`waiting`).
 */
export async function releaseToolCall(
  tx: UserTx,
  key: { runId: string; callId: string; attempt: number },
  to: 'pending' | 'waiting',
): Promise<boolean> {
  const result = await tx
    .updateTable('tool_calls')
    .set({ status: to })
    .where('run_id', '=', key.runId)
    .where('id', '=', key.callId)
    .where('attempts', '=', key.attempt)
    .where('status', 'in', before(to))
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** A person has denied a call that waits for it. */
export async function denyToolCall(
  tx: AnyTx,
  key: { runId: string; callId: string },
  reason: string,
): Promise<boolean> {
  const result = await tx
    .updateTable('tool_calls')
    .set({ status: 'denied', error: storableText(reason), finished_at: sql<Date>`clock_timestamp()` })
    .where('run_id', '=', key.runId)
    .where('id', '=', key.callId)
    .where('status', 'in', before('denied'))
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** What an approver made of the arguments; the model's own stay beside it. */
export async function editArguments(
  tx: AnyTx,
  key: { runId: string; callId: string },
  edited: string,
): Promise<void> {
  await tx
    .updateTable('tool_calls')
    .set({ edited_arguments: edited })
    .where('run_id', '=', key.runId)
    .where('id', '=', key.callId)
    .execute();
}

/**
 * The run is over. Calls that were sent and left no word will get none: writes become `unknown`, which is the truth; reads have
 * failed. Calls that were never sent have failed too. @returns the writes that are unknown.
 */
export async function abandonOpenCalls(
  tx: AnyTx,
  runId: string,
): Promise<readonly { callId: string; tool: string }[]> {
  const rows = await tx
    .updateTable('tool_calls')
    .set({
      status: sql<ToolCallStatus>`case when status = 'started' and is_write then 'unknown' else 'failed' end`,
      error: sql<string>`case when status = 'started' then 'The run ended while this call was on its way.'
        else 'The run ended before this call was sent.' end`,
      finished_at: sql<Date>`clock_timestamp()`,
    })
    .where('run_id', '=', runId)
    .where('status', 'in', ['pending', 'waiting', 'started'])
    .returning(['id', 'tool', 'status'])
    .execute();
  return rows.filter((row) => row.status === 'unknown').map((row) => ({ callId: row.id, tool: row.tool }));
}

/** Whether a write with this tool to this account has an unknown outcome in this run: then no further one may leave. */
export async function hasUnknownWrite(
  tx: UserTx,
  key: { runId: string; callId: string; tool: string; accountId: string | null },
): Promise<boolean> {
  const row = await tx
    .selectFrom('tool_calls')
    .select('id')
    .where('run_id', '=', key.runId)
    .where('id', '!=', key.callId)
    .where('tool', '=', key.tool)
    .where(sql<boolean>`account_id is not distinct from ${key.accountId}`)
    .where('status', '=', 'unknown')
    .where('is_write', '=', true)
    .executeTakeFirst();
  return row !== undefined;
}
