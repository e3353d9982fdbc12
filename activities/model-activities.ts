/**
 * One turn of the model: reads the transcript, calls the model once, writes its answer under (run, turn). The answer that
 * ends the run completes it in the same transaction. A retried attempt finds the turn written and does not pay twice.
 */
import { loadConversation } from '../db/load-conversation.ts';
import { type RecordedTurn, recordTurn } from '../db/record-turn.ts';
import { type Run, getRun } from '../db/runs.ts';
import { forUser, forUserOnce } from '../db/scope.ts';
import { type Statement, runStatement } from '../db/statement.ts';
import {
  type Message,
  type NewToolCall,
  type ToolCall,
  getMessage,
  listThreadMessages,
  listToolCalls,
} from '../db/transcript.ts';
import { isEndedRunStatus } from '../domain/statuses.ts';
import type { Tool } from '../domain/tool.ts';
import { toEntityId } from '../domain/user-id.ts';
import type { Completion } from '../model/port.ts';
import { callNext } from './call-next.ts';
import { toChatMessages } from './conversation.ts';
import type { ActivityDeps } from './deps.ts';
import { endRunOnce } from './end-run.ts';
import { goneFailure } from './failures.ts';
import { channelsOf, noticeOfEnd } from './run-notices.ts';
import { running } from './running.ts';
import { startDeliveries } from './start-workflows.ts';

/** Messages of earlier runs that the model is reminded of; older ones are left out. */
const REMEMBERED_MESSAGES = 40;

export type ModelTurn =
  | { readonly kind: 'completed'; readonly tokens: number; readonly ms: number }
  /** `calls` are those to execute; `asked` counts all that the model made, refused ones too. */
  | {
      readonly kind: 'tools';
      readonly calls: readonly { readonly id: string; readonly tool: string }[];
      readonly asked: number;
      readonly tokens: number;
      readonly ms: number;
    }
  | {
      readonly kind: 'stopped';
      readonly code: 'model_refused' | 'model_error';
      readonly message: string;
      readonly tokens: number;
      readonly ms: number;
    }
  /** The run ended elsewhere while this turn was on its way. */
  | { readonly kind: 'ended' };

export function createModelActivities(deps: ActivityDeps) {
  return {
    async callModel(key: { runId: string; userId: string; turn: number }): Promise<ModelTurn> {
      return running(async ({ cancellationSignal }) => {
        const began = performance.now();
        const { run, ...history } = await readConversation(deps, key);
        if (isEndedRunStatus(run.status)) {
          return run.status === 'completed' ? { kind: 'completed', tokens: 0, ms: 0 } : { kind: 'ended' };
        }
        if (run.cancelRequestedAt !== null) {
          await endRunOnce(deps, run, { status: 'cancelled' });
          return { kind: 'ended' };
        }
        const written = history.messages.find((message) => message.turn === key.turn);
        if (written) return toTurn(written, history.toolCalls, { tokens: 0, ms: 0 });
        const [tools, offered] = await offerTools(deps, run, cancellationSignal);
        const completion = await deps.model.complete({
          model: run.model,
          messages: toChatMessages({ run, ...history }),
          tools: offered,
          signal: cancellationSignal,
        });
        return writeTurn(deps, { run, turn: key.turn, completion, tools, began });
      });
    },
  };
}

async function readConversation(deps: ActivityDeps, key: { runId: string; userId: string }) {
  const loaded = await forUserOnce(deps.db, key.userId, loadConversation(key.runId));
  if (!loaded) throw goneFailure('run');
  const { hasPast, ...conversation } = loaded;
  const remembered = hasPast
    ? await forUser(deps.db, key.userId, (tx) => listThreadMessages(tx, loaded.run, REMEMBERED_MESSAGES))
    : [];
  return { ...conversation, remembered };
}

/** The catalogue's entries, and the same as the user's own toolset offers them to the model. */
async function offerTools(deps: ActivityDeps, run: Run, signal: AbortSignal) {
  const entity = deps.composio.forEntity(toEntityId(run.userId));
  return [
    await deps.composio.getTools(run.tools, { signal }),
    await entity.tools(run.tools, { signal }),
  ] as const;
}

type Turn = {
  readonly run: Run;
  readonly turn: number;
  readonly completion: Completion;
  readonly tools: readonly Tool[];
  /** `performance.now()` at the start of the attempt. */
  readonly began: number;
};

async function writeTurn(
  deps: ActivityDeps,
  { run, turn, completion, tools, began }: Turn,
): Promise<ModelTurn> {
  const { usage } = completion;
  const stop = stopReason(completion);
  const calls =
    stop === null
      ? completion.toolCalls.map((call, position) => toNewCall(call, { turn, position, tools }))
      : [];
  const isFinal = stop === null && calls.length === 0;
  const message = {
    runId: run.id,
    userId: run.userId,
    turn,
    content: completion.content ?? completion.refusal,
    toolCalls: calls,
    usage,
  };
  const told = {
    type: 'model.completed' as const,
    data: { turn, toolCalls: calls.map((call) => call.tool) },
  };
  const record = recordTurn({
    message,
    events: isFinal ? [told, { type: 'run.completed' }] : [told],
    output: isFinal ? (completion.content ?? '') : null,
  });
  const isRecorded = isFinal
    ? await completeRun(deps, run, record)
    : (await forUserOnce(deps.db, run.userId, record)) !== null;
  const spent = { tokens: usage.inputTokens + usage.outputTokens, ms: Math.round(performance.now() - began) };
  if (!isRecorded) return rereadTurn(deps, run, turn, spent);
  if (isFinal) return { kind: 'completed', ...spent };
  if (stop !== null) return { kind: 'stopped', ...stop, ...spent };
  return { kind: 'tools', calls: runnable(calls), asked: calls.length, ...spent };
}

type Completed = RecordedTurn & { readonly noticeIds?: readonly string[] };

/** The answer that ends the run, and the notice of that end where somebody is told, in one transaction. @returns false when nothing was written. */
async function completeRun(
  deps: ActivityDeps,
  run: Run,
  record: Statement<RecordedTurn | null>,
): Promise<boolean> {
  const isTold = channelsOf(deps.settings).length > 0;
  const completed: Completed | null = isTold
    ? await forUser(deps.db, run.userId, async (tx) => {
        const recorded = await runStatement(tx, record);
        if (!recorded) return null;
        return { ...recorded, noticeIds: await noticeOfEnd(tx, run, 'run.completed', deps.settings) };
      })
    : await forUserOnce(deps.db, run.userId, record);
  if (!completed) return false;
  await startDeliveries(completed.noticeIds ?? [], run.userId, deps);
  if (completed.hasLine) await callNext(deps, run.userId);
  return true;
}

/** The run ended meanwhile, or another attempt wrote this turn first: its answer is the one that counts. */
async function rereadTurn(
  deps: ActivityDeps,
  run: Run,
  turn: number,
  spent: { tokens: number; ms: number },
): Promise<ModelTurn> {
  return forUser(deps.db, run.userId, async (tx) => {
    const now = await getRun(tx, run.id);
    if (now?.status === 'completed') return { kind: 'completed', ...spent };
    if (!now || isEndedRunStatus(now.status)) return { kind: 'ended' };
    const message = await getMessage(tx, run.id, turn);
    if (!message) throw goneFailure('turn');
    return toTurn(message, await listToolCalls(tx, run.id), spent);
  });
}

function toTurn(
  message: Message,
  toolCalls: readonly ToolCall[],
  spent: { tokens: number; ms: number },
): ModelTurn {
  const calls = toolCalls.filter((call) => message.toolCallIds.includes(call.id));
  if (calls.length === 0) {
    // A final answer would have ended the run in its own transaction, so this turn was stopped.
    return {
      kind: 'stopped',
      code: 'model_error',
      message: 'The model did not finish its answer.',
      ...spent,
    };
  }
  const open = calls
    .filter((call) => call.status !== 'failed' || call.attempts > 0)
    .map(({ id, tool }) => ({ id, tool }));
  return { kind: 'tools', calls: open, asked: calls.length, ...spent };
}

function runnable(calls: readonly NewToolCall[]): { id: string; tool: string }[] {
  return calls.filter((call) => call.refusedBecause === undefined).map(({ id, tool }) => ({ id, tool }));
}

function stopReason(
  completion: Completion,
): { code: 'model_refused' | 'model_error'; message: string } | null {
  if (completion.refusal !== null && completion.toolCalls.length === 0) {
    return { code: 'model_refused', message: 'The model refused the task.' };
  }
  switch (completion.finishReason) {
    case 'content_filter':
      return { code: 'model_refused', message: 'The model’s answer was withheld by its content filter.' };
    case 'length':
      return { code: 'model_error', message: 'The model’s answer was cut at its length limit.' };
    case 'stop':
    case 'tool_calls':
      return null;
  }
}

/** Our own call ids, from turn and position: a retried attempt makes the same ones, and the model cannot make two alike. */
function toNewCall(
  call: { name: string; arguments: string },
  at: { turn: number; position: number; tools: readonly Tool[] },
): NewToolCall {
  const tool = at.tools.find((candidate) => candidate.slug === call.name);
  return {
    id: `call_${at.turn}_${at.position}`,
    tool: tool?.slug ?? call.name.slice(0, 200),
    app: tool?.app ?? null,
    isWrite: tool === undefined || !tool.readOnly,
    arguments: call.arguments,
    position: at.position,
    ...(tool === undefined
      ? { refusedBecause: `There is no tool ${call.name.slice(0, 200)}. Use only the tools offered.` }
      : {}),
  };
}
