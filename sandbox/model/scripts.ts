/**
 * Scripted answers: by a marker registered beforehand, or by a ```script block in the task itself. Which answer is next is
 * read off the conversation, never counted, so a repeated request gets the same one.
 */
import type { ChatRequest, SentMessage } from './chat-request.ts';
import { isObject } from './chat-request.ts';
import { type Reply, say } from './chat-answer.ts';
import type { MarkedScript, Script, ScriptedAnswer } from './protocol.ts';

export type ScriptStep = {
  readonly answer: ScriptedAnswer;
  /** The same for every repetition of this request: what counts how often its fault was met. */
  readonly key: string;
};

const SCRIPT_BLOCK = /```script\s*\n([\s\S]*?)```/;
/** Registered scripts are dropped oldest first, so that a long soak does not grow. */
const MAX_SCRIPTS = 5_000;

export type ScriptBook = {
  add(script: MarkedScript): void;
  clear(): void;
  /** The scripted step for this request, `null` when no script speaks of it. */
  find(request: ChatRequest): ScriptStep | null;
};

export function createScriptBook(): ScriptBook {
  const scripts = new Map<string, MarkedScript>();
  return {
    add(script) {
      scripts.delete(script.marker);
      scripts.set(script.marker, script);
      const oldest = scripts.keys().next().value;
      if (scripts.size > MAX_SCRIPTS && oldest !== undefined) scripts.delete(oldest);
    },
    clear: () => scripts.clear(),
    find: (request) => findInline(request) ?? findMarked(request, scripts),
  };
}

function findInline(request: ChatRequest): ScriptStep | null {
  const at = request.messages.findLastIndex((message) => message.role === 'user');
  const text = request.messages[at]?.text ?? '';
  const block = SCRIPT_BLOCK.exec(text)?.[1];
  if (block === undefined) return null;
  const script = parseScript(block);
  if (!script) return { answer: { content: 'The script in the task is not valid JSON.' }, key: 'invalid' };
  return step(script, turnsSince(request.messages, at), text);
}

/** The longest marker wins, so that `canary-1` does not answer for `canary-10`. */
function findMarked(request: ChatRequest, scripts: ReadonlyMap<string, MarkedScript>): ScriptStep | null {
  let found: { script: MarkedScript; at: number } | null = null;
  for (const script of scripts.values()) {
    if (found && script.marker.length <= found.script.marker.length) continue;
    const holds = (message: SentMessage): boolean => message.text.includes(script.marker);
    const inTask = request.messages.findLastIndex((message) => message.role === 'user' && holds(message));
    const at = inTask === -1 ? request.messages.findIndex(holds) : inTask;
    if (at !== -1) found = { script, at };
  }
  return found && step(found.script, turnsSince(request.messages, found.at), found.script.marker);
}

function turnsSince(messages: readonly SentMessage[], at: number): number {
  return messages.slice(at).filter((message) => message.role === 'assistant').length;
}

function step(script: Script, turn: number, name: string): ScriptStep {
  const last = script.answers.at(-1);
  const fallback = script.repeatLast && last ? last : { content: 'The script is over.' };
  return { answer: script.answers[turn] ?? fallback, key: `${turn}:${name}` };
}

/** A list of answers, or an object with `answers`. */
export function parseScript(text: string): Script | null {
  try {
    const value = JSON.parse(text) as unknown;
    const answers: unknown = Array.isArray(value) ? value : isObject(value) ? value['answers'] : undefined;
    if (!Array.isArray(answers) || !answers.every(isObject)) return null;
    return {
      answers: answers as readonly ScriptedAnswer[],
      repeatLast: isObject(value) && value['repeatLast'] === true,
    };
  } catch {
    return null;
  }
}

/** The task without its script: what a planner may read. */
export function withoutScript(text: string): string {
  return text.replace(SCRIPT_BLOCK, '').trim();
}

export function toReply(answer: ScriptedAnswer): Reply {
  const toolCalls = (answer.toolCalls ?? []).map((call) => ({
    ...(call.id !== undefined && { id: call.id }),
    name: call.name,
    arguments: typeof call.arguments === 'string' ? call.arguments : JSON.stringify(call.arguments ?? {}),
  }));
  const content = answer.content ?? null;
  const isSilent =
    content === null && answer.content === undefined && toolCalls.length === 0 && !answer.refusal;
  return {
    ...say(isSilent ? 'Done.' : ''),
    ...(!isSilent && { content }),
    refusal: answer.refusal ?? null,
    toolCalls,
    finishReason: answer.finishReason ?? null,
    usage: answer.usage ?? null,
  };
}
