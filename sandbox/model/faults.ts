/** Faults: which request meets which, and how an answer is bent by it. The server sends what comes out. */
import { type ChatRequest, isObject } from './chat-request.ts';
import type { WireAnswer } from './chat-answer.ts';
import type { AnswerFault, Fault, FaultRule } from './protocol.ts';
import type { ScriptStep } from './scripts.ts';
import { isTransportFault } from './transport-faults.ts';

/** How often each scripted fault was met is remembered for this many steps, the oldest forgotten first. */
const MAX_COUNTERS = 10_000;

export type FaultBook = {
  add(rule: FaultRule): void;
  clear(): void;
  /** The fault that this request meets, which is then used up once. A script's own fault goes before the rules. */
  take(request: ChatRequest, step: ScriptStep | null): Fault | null;
};

export function createFaultBook(): FaultBook {
  let rules: { rule: FaultRule; left: number }[] = [];
  const met = new Map<string, number>();

  const takeScripted = (step: ScriptStep | null): Fault | null => {
    const fault = step?.answer.fault;
    if (!step || !fault) return null;
    const count = met.get(step.key) ?? 0;
    if (count >= (step.answer.times ?? Infinity)) return null;
    met.delete(step.key);
    met.set(step.key, count + 1);
    const oldest = met.keys().next().value;
    if (met.size > MAX_COUNTERS && oldest !== undefined) met.delete(oldest);
    return fault;
  };

  return {
    add: (rule) => void rules.push({ rule, left: rule.times ?? Infinity }),
    clear() {
      rules = [];
      met.clear();
    },
    take(request, step) {
      const scripted = takeScripted(step);
      if (scripted) return scripted;
      const found = rules.find(({ rule: { marker } }) => marker === undefined || holds(request, marker));
      if (!found) return null;
      found.left -= 1;
      if (found.left <= 0) rules = rules.filter((entry) => entry !== found);
      return found.rule.fault;
    },
  };
}

function holds(request: ChatRequest, marker: string): boolean {
  return request.messages.some((message) => message.text.includes(marker));
}

type Bend<F> = (
  answer: WireAnswer,
  choice: WireAnswer['choices'][number],
  fault: F,
  request: ChatRequest,
) => unknown;

const BENDS: { readonly [K in AnswerFault['kind']]: Bend<Extract<AnswerFault, { kind: K }>> } = {
  empty_choices: (answer) => ({ ...answer, choices: [] }),
  missing_message: (answer) => ({ ...answer, choices: [{ index: 0, finish_reason: 'stop' }] }),
  null_content: (answer, choice) => ({
    ...answer,
    choices: [{ ...choice, message: { role: 'assistant', content: null }, finish_reason: 'stop' }],
  }),
  missing_usage: (answer) => ({ ...answer, usage: undefined }),
  unknown_finish_reason: (answer, choice) => ({
    ...answer,
    choices: [{ ...choice, finish_reason: 'something_new' }],
  }),
  length: (answer, choice) => cut(answer, choice, 'length'),
  content_filter: (answer, choice) => cut(answer, choice, 'content_filter'),
  duplicate_ids(answer, choice, _fault, request) {
    const call = firstCall(choice, request);
    return withCalls(answer, choice, [
      call,
      { ...call, function: { ...call.function, arguments: '{"again":true}' } },
    ]);
  },
  unknown_call_type: (answer, choice, _fault, request) =>
    withCalls(answer, choice, [{ ...firstCall(choice, request), type: 'custom' }]),
  invalid_arguments(answer, choice, _fault, request) {
    const call = firstCall(choice, request);
    return withCalls(answer, choice, [
      { ...call, function: { ...call.function, arguments: '{"text": "not clo' } },
    ]);
  },
  parallel_calls(answer, choice, { count }, request) {
    const call = firstCall(choice, request);
    return withCalls(
      answer,
      choice,
      Array.from({ length: count }, (_, index) => ({ ...call, id: `${call.id}_${index}` })),
    );
  },
};

/** Bends a right answer as the fault says; faults of the transport leave it as it is. */
export function bend(answer: WireAnswer, fault: Fault | null, request: ChatRequest): unknown {
  const choice = answer.choices[0];
  if (!fault || !choice || !Object.hasOwn(BENDS, fault.kind)) return answer;
  const bendBy = BENDS[fault.kind as AnswerFault['kind']] as Bend<Fault>;
  return bendBy(answer, choice, fault, request);
}

/** For control requests: a misspelt fault that never strikes would make a test pass for nothing. */
export function isFault(value: unknown): value is Fault {
  if (!isObject(value) || typeof value['kind'] !== 'string') return false;
  const { kind } = value;
  return kind === 'latency' || Object.hasOwn(BENDS, kind) || isTransportFault(kind);
}

type Choice = WireAnswer['choices'][number];
type WireCall = NonNullable<Choice['message']['tool_calls']>[number];

function firstCall({ message }: Choice, request: ChatRequest): WireCall {
  const name = request.tools[0]?.name ?? 'NO_TOOL';
  return message.tool_calls?.[0] ?? { id: 'call_0', type: 'function', function: { name, arguments: '{}' } };
}

function withCalls(answer: WireAnswer, choice: Choice, calls: WireCall[]): WireAnswer {
  const message = { ...choice.message, tool_calls: calls };
  return { ...answer, choices: [{ ...choice, message, finish_reason: 'tool_calls' }] };
}

function cut(answer: WireAnswer, choice: Choice, finishReason: string): WireAnswer {
  const message = { ...choice.message, content: choice.message.content?.slice(0, 8) ?? null };
  return { ...answer, choices: [{ ...choice, message, finish_reason: finishReason }] };
}
