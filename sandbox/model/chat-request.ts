/** Reads a chat completions request as tolerantly as the sandbox may: what is missing is empty, what is wrong is refused. */

export type OfferedTool = {
  readonly name: string;
  readonly description: string;
  readonly parameters: Readonly<Record<string, unknown>>;
};
export type SentMessage = {
  readonly role: string;
  readonly text: string;
  readonly toolCalls: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
  readonly toolCallId: string | null;
};
export type ChatRequest = {
  readonly model: string;
  readonly messages: readonly SentMessage[];
  readonly tools: readonly OfferedTool[];
  readonly stream: boolean;
};
/** What the real API answers 400 to, in its words' spirit. */
export type RequestProblem = { readonly param: string; readonly message: string };

export function readChatRequest(body: unknown): ChatRequest | RequestProblem {
  if (!isObject(body)) return { param: 'body', message: 'the body is not a JSON object' };
  const { model, messages, tools } = body;
  if (typeof model !== 'string' || model === '')
    return { param: 'model', message: 'you must provide a model parameter' };
  if (!Array.isArray(messages) || messages.length === 0)
    return { param: 'messages', message: 'messages must not be empty' };
  if (tools !== undefined && (!Array.isArray(tools) || tools.length === 0)) {
    return { param: 'tools', message: 'tools must be a list that is not empty' };
  }
  if (Array.isArray(tools) && tools.length > MAX_LIST)
    return { param: 'tools', message: `array too long: at most ${MAX_LIST} tools` };
  const odd = messages.findIndex((message) => !isLegalMessage(message));
  if (odd !== -1)
    return { param: `messages.[${odd}]`, message: 'the message does not have the shape of its role' };
  const read = messages.map(readMessage);
  const offered = (tools ?? []).map(readTool);
  const badName = offered.find((tool) => !/^[A-Za-z0-9_-]{1,64}$/.test(tool.name));
  if (badName) return { param: 'tools', message: 'a function name does not match ^[a-zA-Z0-9_-]{1,64}$' };
  return (
    findBrokenPairing(read) ?? { model, messages: read, tools: offered, stream: body['stream'] === true }
  );
}

/** The real API's limit of `tools` and of the `tool_calls` of one message. */
const MAX_LIST = 128;

/** The roles there are, and what each must hold; the real API answers 400 to anything else. */
function isLegalMessage(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { content, tool_calls: calls } = value;
  const isText = typeof content === 'string' || (Array.isArray(content) && content.length > 0);
  switch (value['role']) {
    case 'system':
    case 'developer':
    case 'user':
      return isText;
    case 'tool':
      return isText && typeof value['tool_call_id'] === 'string' && value['tool_call_id'] !== '';
    case 'assistant':
      if (calls === undefined) return isText;
      return (isText || content === null || content === undefined) && areLegalCalls(calls);
    default:
      return false;
  }
}

function areLegalCalls(calls: unknown): boolean {
  return (
    Array.isArray(calls) &&
    calls.length > 0 &&
    calls.length <= MAX_LIST &&
    calls.every((call: unknown) => {
      if (!isObject(call) || call['type'] !== 'function' || !isObject(call['function'])) return false;
      const { name, arguments: text } = call['function'];
      const isNamed = typeof name === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(name);
      return isNamed && typeof text === 'string' && typeof call['id'] === 'string' && call['id'] !== '';
    })
  );
}

/** The real API refuses a transcript in which a call has no result or a result has no call; so do we, or tests would miss it. */
function findBrokenPairing(messages: readonly SentMessage[]): RequestProblem | null {
  let open = new Set<string>();
  for (const [index, message] of messages.entries()) {
    if (message.role === 'tool') {
      if (!open.delete(message.toolCallId ?? '')) {
        return {
          param: `messages.[${index}].role`,
          message: "a message with role 'tool' must answer a preceding tool call",
        };
      }
      continue;
    }
    if (open.size > 0) break;
    open = new Set(message.toolCalls.map((call) => call.id));
    if (open.size < message.toolCalls.length) {
      return { param: `messages.[${index}].tool_calls`, message: 'duplicate tool call ids' };
    }
  }
  return open.size === 0
    ? null
    : {
        param: 'messages',
        message: "an assistant message with 'tool_calls' must be followed by a result for each of them",
      };
}

function readMessage(value: unknown): SentMessage {
  const message = isObject(value) ? value : {};
  const calls = Array.isArray(message['tool_calls']) ? (message['tool_calls'] as readonly unknown[]) : [];
  return {
    role: readText(message['role']),
    text: readContent(message['content']),
    toolCalls: calls.map((call) => {
      const called = isObject(call) && isObject(call['function']) ? call['function'] : {};
      const id = isObject(call) ? readText(call['id']) : '';
      return { id, name: readText(called['name']), arguments: readText(called['arguments']) };
    }),
    toolCallId: typeof message['tool_call_id'] === 'string' ? message['tool_call_id'] : null,
  };
}

function readTool(value: unknown): OfferedTool {
  const called = isObject(value) && isObject(value['function']) ? value['function'] : {};
  return {
    name: readText(called['name']),
    description: readText(called['description']),
    parameters: isObject(called['parameters']) ? called['parameters'] : {},
  };
}

function readContent(content: unknown): string {
  if (!Array.isArray(content)) return readText(content);
  return content.map((part: unknown) => (isObject(part) ? readText(part['text']) : '')).join('');
}

function readText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
