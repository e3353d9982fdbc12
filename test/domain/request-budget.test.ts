/** The budget's arithmetic: no window ever sees more than the budget, and the classes get it in their order. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BudgetState,
  type LeaseAsk,
  type RequestClass,
  EMPTY_STATE,
  LEASE_MS,
  REQUEST_CLASSES,
  budgetTerms,
  lease,
  waitUs,
} from '../../domain/request-budget.ts';

const MINUTE_US = 60_000_000;
const START_US = 1_800_000_000_000_000;
const ask = (requestClass: RequestClass, need: number, want = need, pauseUs = 0): LeaseAsk => ({
  requestClass,
  need,
  want,
  pauseUs,
});
const steps = fc.array(
  fc.record({
    afterUs: fc.oneof(fc.integer({ min: 0, max: 2_000 }), fc.integer({ min: 0, max: 20_000_000 })),
    requestClass: fc.constantFrom(...REQUEST_CLASSES),
    need: fc.integer({ min: 0, max: 400 }),
    ahead: fc.integer({ min: 0, max: 400 }),
    pauseUs: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 5_000_000 })),
  }),
  { minLength: 1, maxLength: 120 },
);

/** The most that leaves in any window of this length, when each permit may be used as early or as late as a lease allows. */
function busiestWindow(granted: readonly { atUs: number; count: number }[], lengthUs: number): number {
  let busiest = 0;
  for (const first of granted) {
    // The window opens where this lease ends: it can hold whatever was granted since, and whatever until its own end.
    const fromUs = first.atUs;
    const untilUs = first.atUs + LEASE_MS * 1_000 + lengthUs;
    const seen = granted.filter(({ atUs }) => atUs >= fromUs && atUs <= untilUs);
    busiest = Math.max(
      busiest,
      seen.reduce((sum, { count }) => sum + count, 0),
    );
  }
  return busiest;
}

describe('a request budget', () => {
  it('never lets more than the budget leave in any 60 s, whoever asks for what and however late a lease is used', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), steps, (perMinute, moves) => {
        const terms = budgetTerms(perMinute);
        const granted: { atUs: number; count: number }[] = [];
        let [state, nowUs]: [BudgetState, number] = [EMPTY_STATE, START_US];
        for (const { afterUs, requestClass, need, ahead, pauseUs } of moves) {
          nowUs += afterUs;
          const answer = lease(state, ask(requestClass, need, need + ahead, pauseUs), nowUs, terms);
          expect(answer.granted).toBeLessThanOrEqual(need + ahead);
          ({ state } = answer);
          granted.push({ atUs: nowUs, count: answer.granted });
        }
        expect(busiestWindow(granted, MINUTE_US)).toBeLessThanOrEqual(perMinute);
      }),
      { numRuns: 300 },
    );
  });

  it('is held against somebody who leases all at once, uses it as late as allowed, and asks on without a pause', () => {
    for (const perMinute of [1, 2, 7, 60, 500, 2_000, 10_000, 100_000]) {
      const terms = { ...budgetTerms(perMinute), reserves: { runs: 0, flows: 0, audit: 0 } };
      const all = ask('runs', perMinute);
      // The first lease is used when it is nearly void: the window that begins there holds it, and all that follows.
      const first = lease(EMPTY_STATE, all, START_US, terms);
      let [state, nowUs, used] = [first.state, START_US, first.granted];
      const endUs = START_US + LEASE_MS * 1_000 + MINUTE_US;
      for (;;) {
        nowUs += Math.max(1, waitUs(state, 'runs', nowUs, terms));
        if (nowUs > endUs) break;
        const answer = lease(state, all, nowUs, terms);
        ({ state } = answer);
        used += answer.granted;
      }
      expect(used).toBeLessThanOrEqual(perMinute);
    }
  });

  it('is used nearly whole by somebody who always asks: 92 of 100 and no more than 100', () => {
    for (const perMinute of [1, 2, 7, 60, 500, 2_000, 10_000, 100_000]) {
      const terms = budgetTerms(perMinute);
      let [state, nowUs, used] = [EMPTY_STATE, START_US, 0];
      const minutes = 10;
      while (nowUs < START_US + minutes * MINUTE_US) {
        const answer = lease(state, ask('runs', 50), nowUs, terms);
        ({ state } = answer);
        used += answer.granted;
        nowUs += Math.max(1_000, waitUs(state, 'runs', nowUs, terms));
      }
      expect(used / minutes / perMinute).toBeGreaterThan(perMinute < 10 ? 0.8 : 0.92);
      expect(used / minutes / perMinute).toBeLessThanOrEqual(1);
    }
  });

  it('says when the next permit is there: not granted before, granted then', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20_000 }),
        steps,
        fc.constantFrom(...REQUEST_CLASSES),
        (perMinute, moves, requestClass) => {
          const terms = budgetTerms(perMinute);
          let [state, nowUs]: [BudgetState, number] = [EMPTY_STATE, START_US];
          for (const move of moves) {
            nowUs += move.afterUs;
            ({ state } = lease(
              state,
              ask(move.requestClass, move.need, move.need, move.pauseUs),
              nowUs,
              terms,
            ));
          }
          const thenUs = nowUs + waitUs(state, requestClass, nowUs, terms);
          expect(lease(state, ask(requestClass, 1), thenUs, terms).granted).toBe(1);
          if (thenUs > nowUs) expect(lease(state, ask(requestClass, 1), thenUs - 1, terms).granted).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('classes', () => {
  const terms = budgetTerms(2_000);

  it('leave a reserve to those before them: the audit half of the burst, flows a fifth', () => {
    expect(terms.burst).toBe(100);
    const take = (requestClass: RequestClass) =>
      lease(EMPTY_STATE, ask(requestClass, 1_000), START_US, terms);
    expect(REQUEST_CLASSES.map((requestClass) => take(requestClass).granted)).toEqual([95, 80, 50]);
    const afterAudit = take('audit').state;
    expect(lease(afterAudit, ask('runs', 1_000), START_US, terms).granted).toBe(45);
  });

  it('that find their reserve reached get a trickle and no more, while runs take all there is', () => {
    const got: Record<RequestClass, number> = { runs: 0, flows: 0, audit: 0 };
    let [state, nowUs]: [BudgetState, number] = [EMPTY_STATE, START_US];
    // Everybody asks for everything every 10 ms, the audit first.
    for (; nowUs < START_US + MINUTE_US; nowUs += 10_000) {
      for (const requestClass of REQUEST_CLASSES.toReversed()) {
        const answer = lease(state, ask(requestClass, 1_000), nowUs, terms);
        ({ state } = answer);
        // What the bucket held at the start is not the point.
        if (nowUs > START_US + 2_000_000) got[requestClass] += answer.granted;
      }
    }
    const all = got.runs + got.flows + got.audit;
    expect(got.flows / all).toBeGreaterThan(0.08);
    expect(got.flows / all).toBeLessThan(0.11);
    expect(got.audit / all).toBeGreaterThan(0.01);
    expect(got.audit / all).toBeLessThan(0.025);
  });

  it('get leases ahead of need only from the upper half of the burst', () => {
    expect(lease(EMPTY_STATE, ask('runs', 1, 500), START_US, terms).granted).toBe(50);
    const { state } = lease(EMPTY_STATE, ask('runs', 60), START_US, terms);
    expect(lease(state, ask('runs', 1, 500), START_US, terms).granted).toBe(1);
  });
});

describe('a pause', () => {
  const terms = budgetTerms(2_000);

  it('lets nothing leave before its end, is not shortened by a later one, and ends by itself', () => {
    const paused = lease(EMPTY_STATE, ask('runs', 0, 0, 3_000_000), START_US, terms).state;
    const again = lease(paused, ask('runs', 5, 5, 1_000_000), START_US, terms);
    expect(again.granted).toBe(0);
    for (const requestClass of REQUEST_CLASSES) {
      expect(lease(again.state, ask(requestClass, 5), START_US + 2_999_999, terms).granted).toBe(0);
      expect(waitUs(again.state, requestClass, START_US + 1_000_000, terms)).toBe(2_000_000);
      expect(lease(again.state, ask(requestClass, 5), START_US + 3_000_000, terms).granted).toBe(5);
    }
  });
});
