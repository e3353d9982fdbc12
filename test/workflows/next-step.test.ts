/** The whole table of decisions: what a run does next, and limits at and around their edge. */
import { describe, expect, test } from 'vitest';
import { RUN_STATUSES } from '../../domain/statuses.ts';
import type { RunLimits } from '../../domain/limits.ts';
import type { AgentRunProgress } from '../../workflows/messages.ts';
import { type Happened, nextStep } from '../../workflows/next-step.ts';

const LIMITS: RunLimits = { maxTurns: 3, maxToolCalls: 4, maxTokens: 1_000, deadlineMs: 60_000 };
const START: AgentRunProgress = { turn: 0, toolCalls: 0, tokens: 0, activeMs: 0 };
const calls = (n: number) =>
  Array.from({ length: n }, (_, i) => ({ id: `call_1_${i}`, tool: 'SLACK_SEND_MESSAGE' }));
const asked = (n: number, changes: Partial<Extract<Happened, { kind: 'tools' }>> = {}): Happened => ({
  after: 'model',
  kind: 'tools',
  calls: calls(n),
  asked: n,
  tokens: 100,
  ms: 50,
  ...changes,
});
const stepOf = (progress: Partial<AgentRunProgress>, happened: Happened) =>
  nextStep({ ...START, ...progress }, LIMITS, happened).step;

describe('after the gate', () => {
  test.each(RUN_STATUSES)('%s', (status) => {
    const { step, progress } = nextStep(START, LIMITS, { after: 'gate', status });
    expect(progress).toEqual(START);
    if (status === 'running') expect(step).toEqual({ do: 'call_model', turn: 1 });
    else if (status === 'waiting_for_connection') expect(step).toEqual({ do: 'wait_for_connection' });
    else expect(step).toEqual({ do: 'return', status });
  });
  test('a resumed run goes on with the turn after its last one', () => {
    expect(stepOf({ turn: 2 }, { after: 'gate', status: 'running' })).toEqual({ do: 'call_model', turn: 3 });
  });
});

describe('after the model', () => {
  test('a completed answer returns completed, and spends nothing more', () => {
    expect(stepOf({}, { after: 'model', kind: 'completed' })).toEqual({ do: 'return', status: 'completed' });
  });
  test('a run that ended elsewhere returns', () => {
    expect(stepOf({}, { after: 'model', kind: 'ended' })).toEqual({ do: 'return', status: 'cancelled' });
  });
  test('a stopped answer fails with its own code and message', () => {
    const stopped = { after: 'model', kind: 'stopped', code: 'model_refused', message: 'No.' } as const;
    expect(stepOf({}, stopped)).toEqual({ do: 'fail', code: 'model_refused', message: 'No.' });
  });
  test('tool calls are executed, and turn, calls, tokens and time are counted', () => {
    expect(nextStep({ turn: 1, toolCalls: 1, tokens: 10, activeMs: 5 }, LIMITS, asked(2))).toEqual({
      progress: { turn: 2, toolCalls: 3, tokens: 110, activeMs: 55 },
      step: { do: 'execute_tools', calls: calls(2) },
    });
  });
  test('refused calls are counted and not executed', () => {
    const { progress, step } = nextStep(START, LIMITS, asked(2, { asked: 3 }));
    expect(progress.toolCalls).toBe(3);
    expect(step).toEqual({ do: 'execute_tools', calls: calls(2) });
  });
  test('when all calls were refused, the model hears it in the next turn', () => {
    expect(stepOf({}, asked(0, { asked: 2 }))).toEqual({ do: 'call_model', turn: 2 });
  });
  test.each([
    [3, 1, 'execute_tools'],
    [4, 1, 'limit_tool_calls'],
    [0, 4, 'execute_tools'],
    [0, 5, 'limit_tool_calls'],
  ])('with %i calls made, %i more: %s', (made, more, expected) => {
    const step = stepOf({ toolCalls: made }, asked(more));
    expect(step.do === 'fail' ? step.code : step.do).toBe(expected);
  });
  test('the limit of tool calls ends the run before any of the turn’s calls', () => {
    const step = stepOf({ toolCalls: 3 }, asked(2));
    expect(step).toEqual({ do: 'fail', code: 'limit_tool_calls', message: 'The run may make 4 tool calls.' });
  });
  test('calls of the last turn still run although its answer used up the tokens', () => {
    expect(stepOf({ turn: 2, tokens: 999 }, asked(1))).toEqual({ do: 'execute_tools', calls: calls(1) });
  });
  test('calls of an answer that used up the time are not made', () => {
    const instead = { do: 'fail', code: 'limit_deadline', message: 'The run may be active for 60 s.' };
    expect(stepOf({ activeMs: 59_949 }, asked(1))).toEqual({ do: 'execute_tools', calls: calls(1) });
    expect(stepOf({ activeMs: 59_950 }, asked(1))).toEqual({ do: 'execute_tools', calls: calls(1), instead });
  });
});

describe('after tools', () => {
  const after = (...statuses: string[]): Happened => ({ after: 'tools', statuses, ms: 10 });
  test.each(['done', 'failed', 'unknown', 'denied'])('%s goes back to the model', (status) => {
    expect(stepOf({ turn: 1 }, after(status))).toEqual({ do: 'call_model', turn: 2 });
  });
  test('one that finds the run ended returns, whatever the others did', () => {
    expect(stepOf({ turn: 1 }, after('done', 'ended', 'failed'))).toEqual({
      do: 'return',
      status: 'cancelled',
    });
  });
  test('time is counted', () => {
    expect(nextStep({ ...START, activeMs: 5 }, LIMITS, after('done')).progress.activeMs).toBe(15);
  });
});

describe('before the model is called', () => {
  const tools: Happened = { after: 'tools', statuses: ['done'], ms: 0 };
  const codeOf = (progress: Partial<AgentRunProgress>, happened: Happened = tools): string => {
    const step = stepOf(progress, happened);
    return step.do === 'fail' ? step.code : step.do;
  };
  test.each<[Partial<AgentRunProgress>, string]>([
    [{ turn: 2 }, 'call_model'],
    [{ turn: 3 }, 'limit_turns'],
    [{ turn: 4 }, 'limit_turns'],
    [{ tokens: 999 }, 'call_model'],
    [{ tokens: 1_000 }, 'limit_tokens'],
    [{ tokens: 1_001 }, 'limit_tokens'],
    [{ activeMs: 59_999 }, 'call_model'],
    [{ activeMs: 60_000 }, 'limit_deadline'],
    [{ activeMs: 60_001 }, 'limit_deadline'],
    [{ toolCalls: 4 }, 'call_model'],
    [{ turn: 3, tokens: 1_000, activeMs: 60_000 }, 'limit_turns'],
    [{ tokens: 1_000, activeMs: 60_000 }, 'limit_tokens'],
  ])('%j: %s', (progress, expected) => {
    expect(codeOf(progress)).toBe(expected);
    expect(codeOf(progress, { after: 'gate', status: 'running' })).toBe(expected);
  });
  test('the last tool’s time counts', () => {
    expect(codeOf({ activeMs: 59_990 }, { after: 'tools', statuses: ['done'], ms: 9 })).toBe('call_model');
    expect(codeOf({ activeMs: 59_990 }, { after: 'tools', statuses: ['done'], ms: 10 })).toBe(
      'limit_deadline',
    );
  });
});
