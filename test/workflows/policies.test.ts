/** The numbers of workflows/policies.ts against the contract: an outage of an hour parks a run, and its end is noticed soon. */
import { msToNumber } from '@temporalio/common';
import { expect, test } from 'vitest';
import { GATE_POLICY, MODEL_POLICY, TOOL_POLICY } from '../../workflows/policies.ts';
import { MAX_RETRY_AFTER_MS } from '../../domain/retry-after.ts';

const HOUR = 3_600_000;
type Duration = Parameters<typeof msToNumber>[0];
type Policy = {
  readonly scheduleToCloseTimeout: Duration;
  readonly retry: {
    readonly initialInterval: Duration;
    readonly backoffCoefficient: number;
    readonly maximumInterval: Duration;
    readonly maximumAttempts?: number;
    readonly nonRetryableErrorTypes?: readonly string[];
  };
};

/** When attempts begin, milliseconds from the first, where each fails after `lastsMs`. */
function attemptsWithin(policy: Policy, spanMs: number, lastsMs: number): number[] {
  const { initialInterval, backoffCoefficient, maximumInterval } = policy.retry;
  const begins: number[] = [];
  let at = 0;
  let wait = msToNumber(initialInterval);
  while (at <= spanMs) {
    begins.push(at);
    at += lastsMs + wait;
    wait = Math.min(msToNumber(maximumInterval), wait * backoffCoefficient);
  }
  return begins;
}

test.each([
  ['the gate', GATE_POLICY],
  ['the model', MODEL_POLICY],
  ['a tool', TOOL_POLICY],
])(
  '%s is tried all through an outage of an hour, without a last attempt, and at most a minute after its end',
  (_name, policy: Policy) => {
    expect(policy.retry.maximumAttempts ?? 0).toBe(0);
    expect(policy.retry.nonRetryableErrorTypes ?? []).toEqual([]);
    expect(msToNumber(policy.scheduleToCloseTimeout)).toBeGreaterThanOrEqual(24 * HOUR);
    for (const lastsMs of [1, 10_000]) {
      const begins = attemptsWithin(policy, HOUR, lastsMs);
      // It does not storm: some 60 requests an hour and run.
      expect(begins.length).toBeGreaterThan(45);
      expect(begins.length).toBeLessThan(70);
      const gaps = begins.slice(1).map((at, i) => at - (begins[i] ?? 0));
      expect(Math.max(...gaps)).toBeLessThanOrEqual(60_000 + lastsMs);
    }
  },
);

test('the longest wait that a server may ask for still leaves half of the patience', () => {
  expect(MAX_RETRY_AFTER_MS).toBeLessThanOrEqual(msToNumber(TOOL_POLICY.scheduleToCloseTimeout) / 2);
});
