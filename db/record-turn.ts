/**
 * The model's answer of one turn, written once: message, tool calls, usage and events under the run row's lock, in one
 * statement, for this is the busiest write of all. The first attempt wins.
 */
import { storableText } from '../domain/json.ts';
import type { NewRunEvent } from './events.ts';
import type { Statement } from './statement.ts';
import type { NewAssistantMessage } from './transcript.ts';

export type TurnRecord = {
  readonly message: NewAssistantMessage;
  readonly events: readonly NewRunEvent[];
  /** The final answer, which ends the run as completed and frees its thread; null while the run goes on. */
  readonly output: string | null;
};

const RECORD_TURN = `
  with run as (
    update runs set
      last_event_seq = last_event_seq + $5::int,
      model_calls = model_calls + 1,
      tool_calls = tool_calls + $6::int,
      input_tokens = input_tokens + $7::int,
      output_tokens = output_tokens + $8::int,
      status = case when $9::boolean then 'completed' else status end,
      output = case when $9::boolean then $10::text else output end,
      finished_at = case when $9::boolean then now() else finished_at end,
      updated_at = now()
    where id = $1::text and finished_at is null
      -- Turns are recorded in order, one model call each: the count is the compare-and-set that two attempts race on.
      and model_calls = $2::int - 1
    returning thread_id, last_event_seq - $5::int as base
  ), message as (
    insert into messages (run_id, turn, user_id, role, content, tool_call_ids, input_tokens, output_tokens)
    select $1::text, $2::int, $3::text, 'assistant', $4::text, $11::text[], $7::int, $8::int from run
  ), calls as (
    insert into tool_calls (run_id, id, user_id, turn, position, tool, app, is_write, arguments, status, error, finished_at)
    select $1::text, c.id, $3::text, $2::int, c.n - 1, c.tool, c.app, c.is_write, c.arguments,
      case when c.refused is null then 'pending' else 'failed' end, c.refused,
      case when c.refused is null then null else now() end
    from run, unnest($11::text[], $12::text[], $13::text[], $14::boolean[], $15::text[], $16::text[])
      with ordinality as c(id, tool, app, is_write, arguments, refused, n)
  ), thread as (
    update threads set active_run_id = null
    from run where $9::boolean and threads.user_id = $3::text and threads.id = run.thread_id and active_run_id = $1::text
  ), told as (
    insert into run_events (run_id, seq, user_id, type, data)
    select $1::text, run.base + e.n, $3::text, e.type, e.data::jsonb
    from run, unnest($17::text[], $18::text[]) with ordinality as e(type, data, n)
  )
  select exists (
    select 1 from runs q where q.user_id = $3::text and q.queued_at is not null and q.finished_at is null
  ) as has_line from run`;

/** `hasLine`: runs of the same user wait in line for a place. */
export type RecordedTurn = { readonly hasLine: boolean };

/** Gives null when the turn was written before or the run has ended: nothing was changed then. */
export function recordTurn({ message, events, output }: TurnRecord): Statement<RecordedTurn | null> {
  const { toolCalls: calls, usage } = message;
  return {
    isPrepared: true,
    text: RECORD_TURN,
    values: [
      message.runId,
      message.turn,
      message.userId,
      message.content === null ? null : storableText(message.content),
      events.length,
      calls.length,
      usage.inputTokens,
      usage.outputTokens,
      output !== null,
      output === null ? null : storableText(output),
      calls.map((call) => call.id),
      calls.map((call) => storableText(call.tool)),
      calls.map((call) => call.app),
      calls.map((call) => call.isWrite),
      calls.map((call) => storableText(call.arguments)),
      calls.map((call) => (call.refusedBecause === undefined ? null : storableText(call.refusedBecause))),
      events.map((event) => event.type),
      events.map((event) => JSON.stringify(event.data ?? {})),
    ],
    read: ([row]) => (row ? { hasLine: (row as { has_line: boolean }).has_line } : null),
  };
}
