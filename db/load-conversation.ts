/** A run with its transcript: one statement, for every turn begins with it. */
import { sql } from 'kysely';
import type { JsonObject } from '../domain/json.ts';
import { revive } from './revive.ts';
import { type Run, toRun } from './runs.ts';
import type { UserTx } from './scope.ts';
import { type Message, type ToolCall, toMessage, toToolCall } from './transcript.ts';

export type LoadedConversation = {
  readonly run: Run;
  readonly messages: readonly Message[];
  readonly toolCalls: readonly ToolCall[];
  /** Whether the thread has ended runs that the model should be reminded of. */
  readonly hasPast: boolean;
};

type Loaded = {
  run: JsonObject;
  messages: JsonObject[] | null;
  calls: JsonObject[] | null;
  has_past: boolean;
};

/** @returns null when the user has no such run. */
export async function loadConversation(tx: UserTx, runId: string): Promise<LoadedConversation | null> {
  const { rows } = await sql<Loaded>`
    select to_jsonb(r) as run,
      (select jsonb_agg(m order by m.turn) from messages m where m.run_id = r.id) as messages,
      (select jsonb_agg(c order by c.turn, c.position) from tool_calls c where c.run_id = r.id) as calls,
      exists (select 1 from runs p
        where p.user_id = r.user_id and p.thread_id = r.thread_id and p.id <> r.id and p.finished_at is not null) as has_past
    from runs r where r.id = ${runId}
  `.execute(tx);
  const [row] = rows;
  if (!row) return null;
  return {
    run: toRun(revive(row.run)),
    messages: (row.messages ?? []).map((message) => toMessage(revive(message))),
    toolCalls: (row.calls ?? []).map((call) => toToolCall(revive(call))),
    hasPast: row.has_past,
  };
}
