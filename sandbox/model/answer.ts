/**
 * What the sandbox says next in a conversation without a script: the next calls of the plan, or a closing sentence that
 * uses the results and is honest about what was not done. The same conversation gives the same reply. Pure.
 */
import { fillArguments } from './arguments.ts';
import { type Reply, say } from './chat-answer.ts';
import type { ChatRequest, SentMessage } from './chat-request.ts';
import { type PlanStep, planTask } from './planner.ts';
import { type ToolOutcome, describeData, readOutcome } from './results.ts';
import { withoutScript } from './scripts.ts';
import { actionOfSlug } from './vocabulary.ts';

type MadeCall = { readonly name: string; readonly arguments: string; readonly outcome: ToolOutcome };

export function planReply(request: ChatRequest): Reply {
  const at = request.messages.findLastIndex((message) => message.role === 'user');
  const task = withoutScript(request.messages[at]?.text ?? '');
  const rounds = readRounds(request.messages.slice(at + 1));
  const plan = planTask(task, request.tools);
  const next = plan[rounds.length];
  if (next && !mustStop(rounds.at(-1) ?? [])) return callAll(next, rounds.flat());
  if (rounds.length === 0) {
    return say(
      request.tools.length === 0
        ? 'I have no tools for this, so I did nothing.'
        : 'None of the tools I have fits this task, so I did nothing.',
    );
  }
  return say(summarise(rounds.flat(), plan.slice(rounds.length)));
}

/** A round is one assistant turn with calls, and the results that follow it. */
function readRounds(messages: readonly SentMessage[]): readonly (readonly MadeCall[])[] {
  const results = new Map(
    messages.flatMap((message) =>
      message.role === 'tool' ? [[message.toolCallId, message.text] as const] : [],
    ),
  );
  return messages
    .filter((message) => message.toolCalls.length > 0)
    .map((message) =>
      message.toolCalls.map(({ id, name, arguments: text }) => ({
        name,
        arguments: text,
        outcome: readOutcome(results.get(id) ?? ''),
      })),
    );
}

/** What was to be read is missing, so what was to be made of it cannot be. A write that failed stops nothing else. */
function mustStop(round: readonly MadeCall[]): boolean {
  return round.some((call) => call.outcome.status !== 'done' && actionOfSlug(call.name) === 'read');
}

function callAll(step: PlanStep, made: readonly MadeCall[]): Reply {
  const done = made.filter((call) => call.outcome.status === 'done');
  const found = done
    .filter((call) => actionOfSlug(call.name) === 'read')
    .map((call) => describeData(call.outcome.data));
  const findings = found.filter((text) => text !== null).join('; ');
  const data = done.map((call) => call.outcome.data);
  const toolCalls = step.map(({ tool, details, usesFindings }) => {
    const filled = fillArguments(tool, {
      details,
      findings: usesFindings && findings !== '' ? findings : null,
      data,
    });
    return { name: tool.name, arguments: JSON.stringify(filled) };
  });
  return { ...say(''), content: null, toolCalls };
}

function summarise(calls: readonly MadeCall[], left: readonly PlanStep[]): string {
  const sentences = calls.map(describeCall);
  // A run of 200 parallel calls is told in a few words.
  const shown =
    sentences.length > 4
      ? [...sentences.slice(0, 3), `And ${sentences.length - 3} more calls were made.`]
      : sentences;
  const missing = left.flat().map((call) => call.tool.name);
  return [...shown, ...(missing.length > 0 ? [`So I did not go on with ${missing.join(', ')}.`] : [])].join(
    ' ',
  );
}

function describeCall(call: MadeCall): string {
  const deed = describeDeed(call);
  const { status, reason, data } = call.outcome;
  const because = reason === null || reason === '' ? '' : ` (${reason.replace(/[.\s]+$/, '')})`;
  if (status === 'unknown')
    return `I do not know whether ${deed.passive} went through${because}; please check before it is repeated.`;
  if (status === 'denied') return `I was not allowed to ${deed.infinitive}${because}, so it was not done.`;
  if (status === 'failed') return `I could not ${deed.infinitive}${because}.`;
  const detail = describeData(data);
  if (actionOfSlug(call.name) === 'read')
    return detail === null ? `I looked with ${call.name} and found nothing.` : `I found ${detail}.`;
  return `Done: I ${deed.past}${detail === null ? '' : ` (${detail})`}.`;
}

function describeDeed(call: MadeCall): { infinitive: string; past: string; passive: string } {
  const object = objectOf(call);
  const action = actionOfSlug(call.name);
  if (action === 'send') return { infinitive: `send ${object}`, past: `sent ${object}`, passive: object };
  if (action === 'create')
    return { infinitive: `create ${object}`, past: `created ${object}`, passive: object };
  if (action === 'read')
    return { infinitive: `read with ${call.name}`, past: `read with ${call.name}`, passive: call.name };
  return { infinitive: `do ${call.name}`, past: `did ${call.name}`, passive: call.name };
}

function objectOf(call: MadeCall): string {
  const filled = parseArguments(call.arguments);
  const noun = call.name.toLowerCase().split(/[_-]+/).at(-1) ?? 'it';
  const target = ['channel', 'channel_id', 'recipient_email', 'to', 'email']
    .map((key) => filled[key])
    .find((value) => typeof value === 'string');
  const title = ['title', 'subject', 'summary']
    .map((key) => filled[key])
    .find((value) => typeof value === 'string');
  const named = title === undefined ? `the ${noun}` : `the ${noun} "${title}"`;
  if (target === undefined) return named;
  return `${named} to ${typeof filled['channel'] === 'string' ? `#${filled['channel'].replace(/^#/, '')}` : target}`;
}

function parseArguments(text: string): Readonly<Record<string, unknown>> {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
