/**
 * The only door to the OpenAI API, as the rest of the project sees it. These shapes are our own and JSON-safe, so that a
 * transcript can be stored and read back; openai.ts is the one place that maps them to the SDK's.
 * model/ may not import anything of ours but domain/, and keeps nothing between two calls.
 */
import type { JsonObject } from '../domain/json.ts';

export interface ModelPort {
  /**
   * One request to the model, no retry of its own.
   * @throws ModelFailure for every answer that is not a completion; the reason of `request.signal`, unchanged, when the
   * caller has aborted.
   */
  complete(request: CompletionRequest): Promise<Completion>;
}

export type CompletionRequest = {
  /** Null asks the configured default. */
  readonly model: string | null;
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly FunctionTool[];
  readonly signal?: AbortSignal;
  readonly maxOutputTokens?: number;
};

export type ChatMessage =
  | { readonly role: 'system'; readonly content: string }
  | { readonly role: 'user'; readonly content: string }
  | {
      readonly role: 'assistant';
      readonly content: string | null;
      readonly toolCalls: readonly ToolCallRequest[];
    }
  | { readonly role: 'tool'; readonly toolCallId: string; readonly content: string };

/** A call the model asks for. `arguments` is the model's own text: it may be anything but valid JSON. */
export type ToolCallRequest = { readonly id: string; readonly name: string; readonly arguments: string };

export type FunctionTool = {
  readonly type: 'function';
  readonly function: { readonly name: string; readonly description: string; readonly parameters: JsonObject };
};

export const FINISH_REASONS = ['stop', 'tool_calls', 'length', 'content_filter'] as const;
export type FinishReason = (typeof FINISH_REASONS)[number];

export type Completion = {
  /** Null when the model said nothing, which is legal beside tool calls and happens without them too. */
  readonly content: string | null;
  readonly refusal: string | null;
  /** Ids are unique in the whole conversation and safe in a URL path, whatever the model made of them. */
  readonly toolCalls: readonly ToolCallRequest[];
  /** `tool_calls` exactly when there are calls and the answer was not cut. */
  readonly finishReason: FinishReason;
  /** The provider's count; where it sent none, an estimate, so that a token limit still ends a run. */
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number };
  readonly model: string;
};
