/** A run with its transcript: one statement, for every turn begins with it. */
import type { JsonObject } from '../domain/json.ts';
import { revive } from './revive.ts';
import { type Run, toRun } from './runs.ts';
import type { Statement } from './statement.ts';
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

const LOAD_CONVERSATION = `
  select to_jsonb(r) as run,
    (select jsonb_agg(m order by m.turn) from messages m where m.run_id = r.id) as messages,
    (select jsonb_agg(c order by c.turn, c.position) from tool_calls c where c.run_id = r.id) as calls,
    exists (select 1 from runs p
      where p.user_id = r.user_id and p.thread_id = r.thread_id and p.id <> r.id and p.finished_at is not null) as has_past
  from runs r where r.id = $1`;

/** Gives null when the user has no such run. */
export function loadConversation(runId: string): Statement<LoadedConversation | null> {
  return {
    text: LOAD_CONVERSATION,
    values: [runId],
    read: ([row]) => (row ? toLoaded(row as Loaded) : null),
  };
}

function toLoaded(row: Loaded): LoadedConversation {
  return {
    run: toRun(revive(row.run)),
    messages: (row.messages ?? []).map((message) => toMessage(revive(message))),
    toolCalls: (row.calls ?? []).map((call) => toToolCall(revive(call))),
    hasPast: row.has_past,
  };
}
