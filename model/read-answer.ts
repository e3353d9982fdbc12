/**
 * Reads an answer of the chat completions endpoint. It trusts no field to be there or to have its type: what can be
 * understood becomes a Completion. What is no completion at all (a proxy's page, half a body, an error) is an outage; a
 * completion that says nothing readable is a `bad_answer`. Nothing but these is ever thrown.
 */
import { failureOfErrorBody } from './classify.ts';
import { ModelFailure } from './failure.ts';
import type { Completion, CompletionRequest, FinishReason } from './port.ts';
import { readToolCalls } from './read-tool-calls.ts';
import { cleanText, isRecord } from './untrusted.ts';

/** OpenAI's rule of thumb for English; only used when the provider counts nothing. */
const CHARACTERS_PER_TOKEN = 4;

/** @throws ModelFailure. */
export function readAnswer(answer: unknown, request: CompletionRequest, wireModel: string): Completion {
  const root = parseText(answer);
  if (!isRecord(root)) throw noCompletion('not_an_object');
  const { choices } = root;
  if (!Array.isArray(choices)) {
    throw root['error'] === undefined ? noCompletion('not_a_completion') : failureOfErrorBody(root['error']);
  }
  const choice: unknown = choices[0];
  if (!isRecord(choice)) throw badAnswer('no_choices');
  const message = choice['message'];
  if (!isRecord(message)) throw badAnswer('no_message');

  const content = readContent(message['content']);
  const refusal = readContent(message['refusal']);
  const toolCalls = readToolCalls(announced(message), request.messages);
  const finishReason = readFinishReason(choice['finish_reason'], toolCalls.length > 0);
  // Announced calls of which none can be read: taking it for the final answer would end the run before its work.
  if (finishReason === 'stop' && content === null && refusal === null && announcesCalls(choice, message)) {
    throw badAnswer('no_readable_calls');
  }

  const outputText = `${content ?? ''}${toolCalls.map((call) => call.name + call.arguments).join('')}`;
  return {
    content,
    refusal,
    toolCalls,
    finishReason,
    usage: readUsage(root['usage'], request, outputText),
    model: typeof root['model'] === 'string' && root['model'] !== '' ? cleanText(root['model']) : wireModel,
  };
}

function announcesCalls(choice: Record<string, unknown>, message: Record<string, unknown>): boolean {
  const calls = announced(message);
  const reason = choice['finish_reason'];
  return reason === 'tool_calls' || reason === 'function_call' || (Array.isArray(calls) && calls.length > 0);
}

/** `tool_calls`, or the one `function_call` of servers that speak the API as it was before. */
function announced(message: Record<string, unknown>): unknown {
  const { tool_calls: calls, function_call: call } = message;
  if (Array.isArray(calls) && calls.length > 0) return calls;
  return isRecord(call) ? [{ type: 'function', function: call }] : calls;
}

/** The SDK hands a body over as text when its content type is not JSON. */
function parseText(answer: unknown): unknown {
  if (typeof answer !== 'string') return answer;
  try {
    return JSON.parse(answer) as unknown;
  } catch {
    throw noCompletion('invalid_json');
  }
}

/** Text, or the text parts that some compatible servers send. An empty text is no text. */
function readContent(value: unknown): string | null {
  const text = Array.isArray(value)
    ? value
        .map((part: unknown) => (isRecord(part) && typeof part['text'] === 'string' ? part['text'] : ''))
        .join('')
    : value;
  return typeof text === 'string' && text !== '' ? cleanText(text) : null;
}

/** Calls beside `stop` or an unknown reason are calls to be made; a cut or filtered answer stays what it is. */
function readFinishReason(value: unknown, hasCalls: boolean): FinishReason {
  if (value === 'length' || value === 'content_filter') return value;
  return hasCalls ? 'tool_calls' : 'stop';
}

function readUsage(value: unknown, request: CompletionRequest, outputText: string): Completion['usage'] {
  const usage = isRecord(value) ? value : {};
  return {
    inputTokens:
      readCount(usage['prompt_tokens']) ?? estimate(JSON.stringify([request.messages, request.tools])),
    outputTokens: readCount(usage['completion_tokens']) ?? estimate(outputText),
  };
}

/**
 * A count that fits a Postgres integer; anything else is no count. Nor is 0, which some servers send for "not counted" (no
 * prompt is empty): a run whose turns cost nothing would never meet its token limit.
 */
function readCount(value: unknown): number | null {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) <= 2_147_483_647
    ? (value as number)
    : null;
}

function estimate(text: string): number {
  return Math.ceil(text.length / CHARACTERS_PER_TOKEN);
}

/** Not the model's word: whatever stands in its place is expected to go away. */
function noCompletion(code: string): ModelFailure {
  return new ModelFailure(`what answered is not the model (${code})`, {
    kind: 'transient',
    httpStatus: 200,
    code,
  });
}

function badAnswer(code: string): ModelFailure {
  return new ModelFailure(`the model's answer cannot be read (${code})`, {
    kind: 'bad_answer',
    httpStatus: 200,
    code,
  });
}
