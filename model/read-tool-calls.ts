/**
 * Reads the tool calls of an answer into calls whose ids are unique in the conversation: the ledger is keyed by run and
 * call id, so a repeated id would take one effect for another. Pure, and the same for the same input, so that reading a
 * repeated answer gives the same ids.
 */
import { type Json, storableJson } from '../domain/json.ts';
import { MAX_LIMITS } from '../domain/limits.ts';
import type { ChatMessage, ToolCallRequest } from './port.ts';
import { cleanText, isRecord } from './untrusted.ts';

/** Ids travel in URL paths of our API and back to the provider, which takes no longer ones. */
const SAFE_ID = /^[A-Za-z0-9_-]{1,40}$/;
/** What the API accepts as a function's name when the transcript is sent again. */
const UNSAFE_NAME_CHARACTER = /[^A-Za-z0-9_-]/g;
const MAX_NAME_LENGTH = 64;
/** One more than any run may make: its limit ends the run then, and an answer of a hundred thousand calls is not written down. */
const MAX_CALLS = MAX_LIMITS.maxToolCalls + 1;

/**
 * Calls of another type than `function`, or without a name, are left out: nobody could answer them. An entry repeated
 * with the same id, name and arguments is one call; a second call under a used id gets an id of its own.
 */
export function readToolCalls(value: unknown, messages: readonly ChatMessage[]): readonly ToolCallRequest[] {
  if (!Array.isArray(value)) return [];
  const turn = messages.filter((message) => message.role === 'assistant').length;
  const usedIds = new Set(
    messages.flatMap((message) =>
      message.role === 'assistant' ? message.toolCalls.map((call) => call.id) : [],
    ),
  );
  const seen = new Set<string>();
  const calls: ToolCallRequest[] = [];
  for (const [index, entry] of value.entries()) {
    const call = readCall(entry);
    if (!call) continue;
    if (calls.length === MAX_CALLS) break;
    const identity = JSON.stringify([call.id, call.name, call.arguments]);
    if (call.id !== null && seen.has(identity)) continue;
    seen.add(identity);
    const id = freeId(call.id ?? `call_${turn}_${index}`, usedIds);
    usedIds.add(id);
    calls.push({ id, name: call.name, arguments: call.arguments });
  }
  return calls;
}

function readCall(entry: unknown): { id: string | null; name: string; arguments: string } | null {
  if (!isRecord(entry) || (entry['type'] !== undefined && entry['type'] !== 'function')) return null;
  const called = entry['function'];
  if (!isRecord(called) || typeof called['name'] !== 'string' || called['name'] === '') return null;
  const id = entry['id'];
  return {
    id: typeof id === 'string' && SAFE_ID.test(id) ? id : null,
    name: called['name'].replace(UNSAFE_NAME_CHARACTER, '_').slice(0, MAX_NAME_LENGTH),
    arguments: readArguments(called['arguments']),
  };
}

/** The model's text as it is; some servers send the object itself, or nothing for a tool without parameters. */
function readArguments(value: unknown): string {
  if (typeof value === 'string') return value === '' ? '{}' : cleanText(value);
  return value === undefined || value === null ? '{}' : storableJson(value as Json);
}

function freeId(wanted: string, used: ReadonlySet<string>): string {
  if (!used.has(wanted)) return wanted;
  let suffix = 2;
  // 34 characters leave room for `_` and five digits below the limit of SAFE_ID.
  while (used.has(`${wanted.slice(0, 34)}_${suffix}`)) suffix += 1;
  return `${wanted.slice(0, 34)}_${suffix}`;
}
