/** What a run does next, driven by a world that does whatever it likes: it is told a step for everything, spends no more than its limits, and ends. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RunLimits } from '../../domain/limits.ts';
import { RUN_ERROR_CODES, RUN_STATUSES, isEndedRunStatus } from '../../domain/statuses.ts';
import type { AgentRunProgress } from '../../workflows/messages.ts';
import type { Happened, Step } from '../../workflows/next-step.ts';
import { nextStep } from '../../workflows/next-step.ts';
import { runs } from '../setup/property-runs.ts';

const limits: fc.Arbitrary<RunLimits> = fc.record({
  maxTurns: fc.integer({ min: 1, max: 12 }),
  maxToolCalls: fc.integer({ min: 1, max: 20 }),
  maxTokens: fc.integer({ min: 1, max: 5_000 }),
  deadlineMs: fc.integer({ min: 1, max: 10_000 }),
});
const START: AgentRunProgress = { turn: 0, toolCalls: 0, tokens: 0, activeMs: 0 };

/** What the model says in one turn. Of `asked` calls some are refused before they can run. */
const answer = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('tools' as const),
      asked: fc.integer({ min: 1, max: 8 }),
      refused: fc.nat(8),
      tokens: fc.nat(2_000),
      ms: fc.nat(4_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('completed' as const, 'ended' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('stopped' as const),
      code: fc.constantFrom(...RUN_ERROR_CODES),
      message: fc.constant('said so'),
    }),
  },
);
const outcome = fc.record({
  statuses: fc.array(fc.constantFrom('done', 'failed', 'unknown', 'denied', 'done', 'done', 'ended'), {
    minLength: 1,
    maxLength: 8,
  }),
  ms: fc.nat(4_000),
});
const gate = fc.constantFrom(...RUN_STATUSES);

type World = {
  readonly gates: readonly (typeof RUN_STATUSES)[number][];
  readonly answers: readonly (typeof answer extends fc.Arbitrary<infer A> ? A : never)[];
  readonly outcomes: readonly { statuses: readonly string[]; ms: number }[];
};
const world: fc.Arbitrary<World> = fc.record({
  gates: fc.array(gate, { maxLength: 6 }),
  answers: fc.array(answer, { maxLength: 40 }),
  outcomes: fc.array(outcome, { maxLength: 40 }),
});

/** As agent-run.ts drives it. @returns every step in order, and what was spent. */
function drive(
  of: RunLimits,
  { gates, answers, outcomes }: World,
): { steps: Step[]; progress: AgentRunProgress; executed: number } {
  const steps: Step[] = [];
  let executed = 0;
  let [gateAt, answerAt, outcomeAt] = [0, 0, 0];
  // An endless world: what was not drawn is a model that calls tools for ever and never stops.
  const nextGate = (): Happened => ({ after: 'gate', status: gates[gateAt++] ?? 'running' });
  let { progress, step } = nextStep(START, of, nextGate());
  for (;;) {
    steps.push(step);
    if (steps.length > 10_000) throw new Error('it does not end');
    let happened: Happened;
    if (step.do === 'return' || step.do === 'fail') return { steps, progress, executed };
    if (step.do === 'wait_for_connection') {
      happened = nextGate();
    } else if (step.do === 'call_model') {
      const said = answers[answerAt++] ?? { kind: 'tools' as const, asked: 1, refused: 0, tokens: 1, ms: 1 };
      happened =
        said.kind === 'tools'
          ? {
              after: 'model',
              kind: 'tools',
              asked: said.asked,
              tokens: said.tokens,
              ms: said.ms,
              calls: Array.from({ length: Math.max(0, said.asked - said.refused) }, (_, i) => ({
                id: `call_${answerAt}_${i}`,
                tool: 'T',
              })),
            }
          : said.kind === 'stopped'
            ? { after: 'model', kind: 'stopped', code: said.code, message: said.message }
            : { after: 'model', kind: said.kind };
    } else {
      if (step.instead) {
        steps.push(step.instead);
        return { steps, progress, executed };
      }
      executed += step.calls.length;
      const came = outcomes[outcomeAt++] ?? { statuses: ['done'], ms: 1 };
      happened = { after: 'tools', ...came };
    }
    const before = progress;
    ({ progress, step } = nextStep(progress, of, happened));
    for (const name of ['turn', 'toolCalls', 'tokens', 'activeMs'] as const)
      expect(progress[name]).toBeGreaterThanOrEqual(before[name]);
  }
}

describe('a run in any world', () => {
  it('ends, after no more model calls than turns, and its last step is an end', () => {
    fc.assert(
      fc.property(limits, world, (of, around) => {
        const { steps } = drive(of, around);
        const last = steps.at(-1);
        expect(last?.do === 'fail' || last?.do === 'return').toBe(true);
        expect(steps.filter((step) => step.do === 'call_model').length).toBeLessThanOrEqual(of.maxTurns);
        expect(steps.slice(0, -1).every((step) => step.do !== 'fail' && step.do !== 'return')).toBe(true);
      }),
      runs(500),
    );
  });

  it('never makes more tool calls than it may, not even in its last turn', () => {
    fc.assert(
      fc.property(limits, world, (of, around) => {
        expect(drive(of, around).executed).toBeLessThanOrEqual(of.maxToolCalls);
      }),
      runs(500),
    );
  });

  it('calls the model only while turns, tokens and time are left, and each turn once', () => {
    fc.assert(
      fc.property(
        limits,
        fc.record({
          turn: fc.nat(15),
          toolCalls: fc.nat(25),
          tokens: fc.nat(6_000),
          activeMs: fc.nat(12_000),
        }),
        outcome,
        (of, progress, came) => {
          for (const happened of [
            { after: 'gate', status: 'running' },
            { after: 'tools', ...came },
          ] as const) {
            const { step, progress: now } = nextStep(progress, of, happened);
            if (step.do !== 'call_model') continue;
            expect([now.turn < of.maxTurns, now.tokens < of.maxTokens, now.activeMs < of.deadlineMs]).toEqual(
              [true, true, true],
            );
            expect(step.turn).toBe(now.turn + 1);
          }
        },
      ),
      runs(500),
    );
    fc.assert(
      fc.property(limits, world, (of, around) => {
        const turns = drive(of, around).steps.flatMap((step) =>
          step.do === 'call_model' ? [step.turn] : [],
        );
        expect(turns).toEqual(turns.map((_, i) => i + 1));
      }),
      runs(300),
    );
  });

  it('goes on where it was when it continues as new: progress is all that it needs', () => {
    fc.assert(
      fc.property(
        limits,
        fc.record({
          turn: fc.nat(15),
          toolCalls: fc.nat(25),
          tokens: fc.nat(6_000),
          activeMs: fc.nat(12_000),
        }),
        (of, progress) => {
          const kept = JSON.parse(JSON.stringify(progress)) as AgentRunProgress;
          expect(nextStep(kept, of, { after: 'gate', status: 'running' })).toEqual(
            nextStep(progress, of, { after: 'gate', status: 'running' }),
          );
        },
      ),
      runs(100),
    );
  });

  it('returns the end that its row has, whatever is left of its limits', () => {
    fc.assert(
      fc.property(limits, gate, (of, status) => {
        const { step } = nextStep(START, of, { after: 'gate', status });
        if (isEndedRunStatus(status)) expect(step).toEqual({ do: 'return', status });
      }),
      runs(50),
    );
  });
});
