/**
 * What a run does next: a pure function of its progress, its limits and what just happened. The workflow only drives it,
 * so that another driver can follow; test/workflows/next-step.test.ts holds it as a table.
 */
import type { RunLimits } from '../domain/limits.ts';
import type { RunErrorCode, RunStatus } from '../domain/statuses.ts';
import type { AgentRunProgress } from './messages.ts';

export type RunnableCall = { readonly id: string; readonly tool: string };

/** What just happened. `ms` is the time that the newest attempt worked: waiting and outages are not the run's own. */
export type Happened =
  | { readonly after: 'gate'; readonly status: RunStatus }
  | { readonly after: 'model'; readonly kind: 'completed' | 'ended' }
  | {
      readonly after: 'model';
      readonly kind: 'stopped';
      readonly code: RunErrorCode;
      readonly message: string;
    }
  | {
      readonly after: 'model';
      readonly kind: 'tools';
      readonly calls: readonly RunnableCall[];
      readonly asked: number;
      readonly tokens: number;
      readonly ms: number;
    }
  | { readonly after: 'tools'; readonly statuses: readonly string[]; readonly ms: number };

export type Step =
  | { readonly do: 'wait_for_connection' }
  | { readonly do: 'call_model'; readonly turn: number }
  /** `instead`: the run's time is over, so that its calls must not be made any more. */
  | {
      readonly do: 'execute_tools';
      readonly calls: readonly RunnableCall[];
      readonly instead?: Extract<Step, { do: 'fail' }>;
    }
  | { readonly do: 'fail'; readonly code: RunErrorCode; readonly message: string }
  /** The run's row has its end already. */
  | { readonly do: 'return'; readonly status: RunStatus };

export type Next = { readonly progress: AgentRunProgress; readonly step: Step };

export function nextStep(progress: AgentRunProgress, limits: RunLimits, happened: Happened): Next {
  switch (happened.after) {
    case 'gate':
      if (happened.status === 'running') return { progress, step: callModel(progress, limits) };
      if (happened.status === 'waiting_for_connection')
        return { progress, step: { do: 'wait_for_connection' } };
      return { progress, step: { do: 'return', status: happened.status } };
    case 'model':
      return afterModel(progress, limits, happened);
    case 'tools': {
      const spent = { ...progress, activeMs: progress.activeMs + happened.ms };
      if (happened.statuses.includes('ended'))
        return { progress: spent, step: { do: 'return', status: 'cancelled' } };
      return { progress: spent, step: callModel(spent, limits) };
    }
  }
}

function afterModel(
  progress: AgentRunProgress,
  limits: RunLimits,
  happened: Happened & { after: 'model' },
): Next {
  switch (happened.kind) {
    case 'completed':
      return { progress, step: { do: 'return', status: 'completed' } };
    case 'ended':
      return { progress, step: { do: 'return', status: 'cancelled' } };
    case 'stopped':
      return { progress, step: { do: 'fail', code: happened.code, message: happened.message } };
    case 'tools': {
      const spent: AgentRunProgress = {
        turn: progress.turn + 1,
        toolCalls: progress.toolCalls + happened.asked,
        tokens: progress.tokens + happened.tokens,
        activeMs: progress.activeMs + happened.ms,
      };
      if (spent.toolCalls > limits.maxToolCalls) {
        return {
          progress: spent,
          step: fail('limit_tool_calls', `The run may make ${limits.maxToolCalls} tool calls.`),
        };
      }
      // Every call of the turn was refused before it could run: the model hears why.
      if (happened.calls.length === 0) return { progress: spent, step: callModel(spent, limits) };
      const overdue = overdueOf(spent, limits);
      const step = { do: 'execute_tools' as const, calls: happened.calls };
      return { progress: spent, step: overdue === null ? step : { ...step, instead: overdue } };
    }
  }
}

/** Limits end a run before the next spend, never after it. */
function callModel(progress: AgentRunProgress, limits: RunLimits): Step {
  if (progress.turn >= limits.maxTurns)
    return fail('limit_turns', `The run may take ${limits.maxTurns} turns.`);
  if (progress.tokens >= limits.maxTokens)
    return fail('limit_tokens', `The run may use ${limits.maxTokens} tokens.`);
  return overdueOf(progress, limits) ?? { do: 'call_model', turn: progress.turn + 1 };
}

function overdueOf(progress: AgentRunProgress, limits: RunLimits): Extract<Step, { do: 'fail' }> | null {
  return progress.activeMs < limits.deadlineMs
    ? null
    : fail('limit_deadline', `The run may be active for ${Math.round(limits.deadlineMs / 1000)} s.`);
}

function fail(code: RunErrorCode, message: string): Extract<Step, { do: 'fail' }> {
  return { do: 'fail', code, message };
}
