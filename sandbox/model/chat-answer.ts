/** Builds answers in the shape of the chat completions endpoint. Pure. */
import type { ChatRequest } from './chat-request.ts';

/** What the sandbox decided to say, before it has the shape of the wire. */
export type Reply = {
  readonly content: string | null;
  readonly refusal: string | null;
  readonly toolCalls: readonly { readonly id?: string; readonly name: string; readonly arguments: string }[];
  /** Null: what follows from the rest. */
  readonly finishReason: string | null;
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number } | null;
};

export type WireAnswer = {
  id: string;
  object: 'chat.completion';
  created: number;
  model: string;
  choices: {
    index: number;
    message: {
      role: 'assistant';
      content: string | null;
      refusal: string | null;
      tool_calls?: { id: string; type: string; function: { name: string; arguments: string } }[];
    };
    logprobs: null;
    finish_reason: string;
  }[];
  usage?: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
};

export function say(content: string): Reply {
  return { content, refusal: null, toolCalls: [], finishReason: null, usage: null };
}

/** `answerId` makes ids unique across answers: a real provider never gives one call id twice. `now` is in milliseconds. */
export function toWireAnswer(
  reply: Reply,
  request: ChatRequest,
  { answerId, now }: { answerId: string; now: number },
): WireAnswer {
  const toolCalls = reply.toolCalls.map((call, index) => ({
    id: call.id ?? `call_${answerId}_${index}`,
    type: 'function',
    function: { name: call.name, arguments: call.arguments },
  }));
  const { inputTokens, outputTokens } = reply.usage ?? estimateUsage(reply, request);
  return {
    id: `chatcmpl-${answerId}`,
    object: 'chat.completion',
    created: Math.floor(now / 1_000),
    model: request.model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: reply.content,
          refusal: reply.refusal,
          ...(toolCalls.length > 0 && { tool_calls: toolCalls }),
        },
        logprobs: null,
        finish_reason: reply.finishReason ?? (toolCalls.length > 0 ? 'tool_calls' : 'stop'),
      },
    ],
    usage: {
      prompt_tokens: inputTokens,
      completion_tokens: outputTokens,
      total_tokens: inputTokens + outputTokens,
    },
  };
}

/** Four characters a token and four tokens a message: near enough to what the real API counts for English text. */
function estimateUsage(reply: Reply, request: ChatRequest): { inputTokens: number; outputTokens: number } {
  let input = 0;
  for (const message of request.messages) {
    input += message.text.length + 16;
    for (const call of message.toolCalls) input += call.name.length + call.arguments.length;
  }
  for (const tool of request.tools) input += tool.name.length + tool.description.length + 64;
  let output = (reply.content ?? reply.refusal ?? '').length;
  for (const call of reply.toolCalls) output += call.name.length + call.arguments.length + 16;
  return { inputTokens: Math.ceil(input / 4), outputTokens: Math.max(1, Math.ceil(output / 4)) };
}
