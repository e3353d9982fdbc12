/**
 * The model's answer of one turn, written once: message, tool calls, usage and events under the run row's lock, in one
 * statement, for this is the busiest write of all. The first attempt wins.
 */
import { sql } from 'kysely';
import { storableText } from '../domain/json.ts';
import type { NewRunEvent } from './events.ts';
import type { UserTx } from './scope.ts';
import type { NewAssistantMessage } from './transcript.ts';

export type TurnRecord = {
  readonly message: NewAssistantMessage;
  readonly events: readonly NewRunEvent[];
  /** The final answer, which ends the run as completed and frees its thread; null while the run goes on. */
  readonly output: string | null;
};

/** @returns false when the turn was written before or the run has ended: nothing was changed then. */
export async function recordTurn(tx: UserTx, { message, events, output }: TurnRecord): Promise<boolean> {
  const { runId, turn, userId, toolCalls: calls, usage } = message;
  const content = message.content === null ? null : storableText(message.content);
  const final = output === null ? null : storableText(output);
  const isFinal = output !== null;
  const { rows } = await sql<{ base: number }>`
    with run as (
      update runs set
        last_event_seq = last_event_seq + ${events.length},
        model_calls = model_calls + 1,
        tool_calls = tool_calls + ${calls.length},
        input_tokens = input_tokens + ${usage.inputTokens},
        output_tokens = output_tokens + ${usage.outputTokens},
        status = case when ${isFinal} then 'completed' else status end,
        output = case when ${isFinal} then ${final}::text else output end,
        finished_at = case when ${isFinal} then now() else finished_at end,
        updated_at = now()
      where id = ${runId} and finished_at is null
        -- Turns are recorded in order, one model call each: the count is the compare-and-set that two attempts race on.
        and model_calls = ${turn - 1}
      returning thread_id, last_event_seq - ${events.length} as base
    ), message as (
      insert into messages (run_id, turn, user_id, role, content, tool_call_ids, input_tokens, output_tokens)
      select ${runId}, ${turn}, ${userId}, 'assistant', ${content}, ${calls.map((call) => call.id)}::text[],
        ${usage.inputTokens}, ${usage.outputTokens} from run
    ), calls as (
      insert into tool_calls (run_id, id, user_id, turn, position, tool, app, is_write, arguments, status, error, finished_at)
      select ${runId}, c.id, ${userId}, ${turn}, c.n - 1, c.tool, c.app, c.is_write, c.arguments,
        case when c.refused is null then 'pending' else 'failed' end, c.refused,
        case when c.refused is null then null else now() end
      from run, unnest(
        ${calls.map((call) => call.id)}::text[], ${calls.map((call) => storableText(call.tool))}::text[],
        ${calls.map((call) => call.app)}::text[], ${calls.map((call) => call.isWrite)}::boolean[],
        ${calls.map((call) => storableText(call.arguments))}::text[],
        ${calls.map((call) => (call.refusedBecause === undefined ? null : storableText(call.refusedBecause)))}::text[]
      ) with ordinality as c(id, tool, app, is_write, arguments, refused, n)
    ), thread as (
      update threads set active_run_id = null
      from run where ${isFinal} and threads.user_id = ${userId} and threads.id = run.thread_id and active_run_id = ${runId}
    ), told as (
      insert into run_events (run_id, seq, user_id, type, data)
      select ${runId}, run.base + e.n, ${userId}, e.type, e.data::jsonb
      from run, unnest(${events.map((e) => e.type)}::text[], ${events.map((e) => JSON.stringify(e.data ?? {}))}::text[])
        with ordinality as e(type, data, n)
    )
    select base from run
  `.execute(tx);
  return rows.length > 0;
}
