/** Our request as the chat completions endpoint takes it. The one place where the two shapes meet on the way out. Pure. */
import type { OpenAI } from 'openai';
import type { ChatMessage, CompletionRequest } from './port.ts';

type WireRequest = OpenAI.Chat.Completions.ChatCompletionCreateParamsNonStreaming;
type WireMessage = OpenAI.Chat.Completions.ChatCompletionMessageParam;

/**
 * `parallel_tool_calls` is left out: parallel calls are the default, and some reasoning models refuse the parameter.
 * Empty lists are left out too, for the API answers them with 400.
 */
export function toWireRequest(request: CompletionRequest, defaultModel: string): WireRequest {
  return {
    model: request.model ?? defaultModel,
    messages: request.messages.map(toWireMessage),
    ...(request.tools.length > 0 && {
      tools: request.tools.map(({ function: { name, description, parameters } }) => ({
        type: 'function' as const,
        function: { name, description, parameters: { ...parameters } },
      })),
    }),
    ...(request.maxOutputTokens !== undefined && { max_completion_tokens: request.maxOutputTokens }),
  };
}

function toWireMessage(message: ChatMessage): WireMessage {
  if (message.role === 'tool')
    return { role: 'tool', tool_call_id: message.toolCallId, content: message.content };
  if (message.role !== 'assistant') return { role: message.role, content: message.content };
  if (message.toolCalls.length === 0) return { role: 'assistant', content: message.content ?? '' };
  const toolCalls = message.toolCalls.map(({ id, name, arguments: text }) => ({
    id,
    type: 'function' as const,
    function: { name, arguments: text },
  }));
  return { role: 'assistant', content: message.content, tool_calls: toolCalls };
}
