/**
 * A run with its transcript, as much of it as a model may be shown: one statement, for every turn begins with it. Results and
 * arguments come cut, by PostgreSQL: whole they may be 50 MB each, and a hundred of them would fit neither here nor in one row.
 */
import type { JsonObject } from '../domain/json.ts';
import { revive } from './revive.ts';
import { type Run, toRun } from './runs.ts';
import type { ToolCallsTable } from './schema.ts';
import type { Statement } from './statement.ts';
import { type Message, type ToolCall, toMessage, toToolCall } from './transcript.ts';

/** A call without its result, but with the beginning of that result's JSON text. */
export type ToldCall = Omit<ToolCall, 'result'> & {
  readonly result: null;
  /** At most `MAX_PART_CHARS`; null when there is no result. */
  readonly resultText: string | null;
  /** Of the whole result's text. */
  readonly resultCharacters: number;
  /** Of the whole arguments; `arguments` holds at most `MAX_PART_CHARS` of them. */
  readonly argumentsCharacters: number;
};

export type LoadedConversation = {
  readonly run: Run;
  readonly messages: readonly Message[];
  readonly toolCalls: readonly ToldCall[];
  /** Whether the thread has ended runs that the model should be reminded of. */
  readonly hasPast: boolean;
};

/** Of one result or one call's arguments, characters: more than this crowds out the conversation (about 5,000 tokens). */
export const MAX_PART_CHARS = 20_000;
/** Of one message: a task is at most 64 kB, and nobody's answer should be longer. */
const MAX_MESSAGE_CHARS = 65_536;

type Told = JsonObject & {
  readonly result_text: string | null;
  readonly result_characters: number | null;
  readonly arguments_characters: number;
};
type Loaded = {
  run: JsonObject;
  messages: JsonObject[] | null;
  calls: Told[] | null;
  has_past: boolean;
};

/** Every column but `result` and `arguments`: a row as a whole would have PostgreSQL unpack its result. */
const LOADED = [
  'run_id',
  'id',
  'user_id',
  'turn',
  'position',
  'tool',
  'app',
  'is_write',
  'digest',
  'account_id',
  'status',
  'attempts',
  'started_at',
  'deadline_at',
  'finished_at',
  'error',
  'edited_arguments',
  'resolution',
  'resolver',
  'resolved_at',
] as const satisfies readonly (keyof ToolCallsTable)[];
/** Columns that no model needs to be told of; `result` and `arguments` come cut. */
type NotLoaded = 'result' | 'arguments' | 'log_id' | 'resolution_heard_at';
/** Does not compile when the table has a column of neither list. */
const COLUMNS: Exclude<keyof ToolCallsTable, NotLoaded> extends (typeof LOADED)[number]
  ? readonly string[]
  : never = LOADED;

const LOAD_CONVERSATION = `
  select to_jsonb(r) as run,
    (select jsonb_agg(to_jsonb(m) || jsonb_build_object('content', left(m.content, $2::int)) order by m.turn)
      from messages m where m.run_id = r.id) as messages,
    (select jsonb_agg(to_jsonb(c) order by c.turn, c.position) from (
      select ${COLUMNS.map((column) => `t.${column}`).join(', ')},
        left(t.arguments, $3::int) as arguments, length(t.arguments) as arguments_characters,
        left(whole.text, $3::int) as result_text, length(whole.text) as result_characters
      from tool_calls t
      -- Not pulled up: the text of a large result must be made once.
      cross join lateral (select t.result::text as text offset 0) whole
      where t.run_id = r.id) c) as calls,
    exists (select 1 from runs p
      where p.user_id = r.user_id and p.thread_id = r.thread_id and p.id <> r.id and p.finished_at is not null) as has_past
  from runs r where r.id = $1`;

/** Gives null when the user has no such run. */
export function loadConversation(runId: string): Statement<LoadedConversation | null> {
  return {
    isPrepared: true,
    text: LOAD_CONVERSATION,
    values: [runId, MAX_MESSAGE_CHARS, MAX_PART_CHARS],
    read: ([row]) => (row ? toLoaded(row as Loaded) : null),
  };
}

function toLoaded(row: Loaded): LoadedConversation {
  return {
    run: toRun(revive(row.run)),
    messages: (row.messages ?? []).map((message) => toMessage(revive(message))),
    toolCalls: (row.calls ?? []).map(toToldCall),
    hasPast: row.has_past,
  };
}

function toToldCall(row: Told): ToldCall {
  return {
    ...toToolCall(revive(row)),
    result: null,
    resultText: row.result_text,
    resultCharacters: row.result_characters ?? 0,
    argumentsCharacters: row.arguments_characters,
  };
}
