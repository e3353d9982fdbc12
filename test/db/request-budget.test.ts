/** The budget's row: its SQL does what domain/request-budget.ts says, and many clients at once never get more than there is. */
import { afterAll, describe, expect, test } from 'vitest';
import { type Database, createDatabase } from '../../db/pool.ts';
import { COMPOSIO_BUDGET, createBudgetStore, leasePermits } from '../../db/request-budget.ts';
import { asSystemOnce, forUserOnce } from '../../db/scope.ts';
import {
  type BudgetState,
  type LeaseAsk,
  EMPTY_STATE,
  REQUEST_CLASSES,
  budgetTerms,
  lease,
} from '../../domain/request-budget.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();
const clients: Database[] = [];
afterAll(async () => void (await Promise.all(clients.map((client) => client.destroy()))));
const ask = (changes: Partial<LeaseAsk>): LeaseAsk => ({
  requestClass: 'runs',
  need: 1,
  want: 1,
  pauseUs: 0,
  ...changes,
});
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('the row of a budget', () => {
  test('answers 400 asks of all kinds exactly as the pure function does', async () => {
    const terms = budgetTerms(3_000);
    const store = createBudgetStore(the().db, 'equal', terms);
    let state: BudgetState = EMPTY_STATE;
    let seed = 20_261_121;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    const seen = { full: 0, part: 0, none: 0, trickle: 0, paused: 0 };
    for (let n = 0; n < 400; n += 1) {
      const requestClass = REQUEST_CLASSES[random(3)] ?? 'runs';
      const need = random(5) === 0 ? 0 : random(12);
      const pauseUs = random(60) === 0 ? 1 + random(40_000) : 0;
      const one = ask({ requestClass, need, want: need + random(20), pauseUs });
      const answer = await store.lease(one);
      const expected = lease(state, one, answer.nowUs, terms);
      expect(answer).toEqual(expected);
      if (answer.state.pausedUntilUs > answer.nowUs) seen.paused += 1;
      if (
        answer.state.flowsTrickleUs !== state.flowsTrickleUs ||
        answer.state.auditTrickleUs !== state.auditTrickleUs
      )
        seen.trickle += 1;
      seen[answer.granted === 0 ? 'none' : answer.granted >= need ? 'full' : 'part'] += 1;
      ({ state } = answer);
    }
    // Every branch was taken, or the comparison says little.
    for (const [kind, count] of Object.entries(seen)) expect([kind, count > 0]).toEqual([kind, true]);
  });

  test('asked by six clients with eight asks each at once, gives no permit twice', async () => {
    const terms = budgetTerms(6_000);
    const began = performance.now();
    const stores = Array.from({ length: 6 }, () => {
      const db = createDatabase({ url: the().url, name: 'test', maxConnections: 8 });
      clients.push(db);
      return createBudgetStore(db, 'contended', terms);
    });
    const answers = await Promise.all(
      stores.flatMap((store) =>
        Array.from({ length: 8 }, async () => {
          const mine = [];
          for (let n = 0; n < 10; n += 1) mine.push(await store.lease(ask({ need: 3, want: 3 })));
          return mine;
        }),
      ),
    );
    const tookUs = (performance.now() - began) * 1_000;
    const all = answers.flat().toSorted((a, b) => a.nowUs - b.nowUs || a.state.fullAtUs - b.state.fullAtUs);
    const granted = all.reduce((sum, answer) => sum + answer.granted, 0);
    expect(all).toHaveLength(480);
    expect(granted).toBeGreaterThanOrEqual(terms.burst - terms.reserves.runs);
    expect(granted).toBeLessThanOrEqual(terms.burst + tookUs / terms.intervalUs);
    // Each answer goes on where the one before it ended: no ask read a state that another one had changed meanwhile.
    const paid = new Set(all.filter((answer) => answer.granted > 0).map((answer) => answer.state.fullAtUs));
    expect(paid.size).toBe(all.filter((answer) => answer.granted > 0).length);
    let fullAtUs = 0;
    for (const answer of all.filter(({ granted: count }) => count > 0)) {
      expect(answer.state.fullAtUs).toBe(
        Math.max(fullAtUs, answer.nowUs) + answer.granted * terms.intervalUs,
      );
      ({ fullAtUs } = answer.state);
    }
  });

  test('tells a pause to everybody: nothing before its end, by whatever client, and all go on after it', async () => {
    const terms = budgetTerms(2_000);
    const other = createDatabase({ url: the().url, name: 'test', maxConnections: 1 });
    clients.push(other);
    const [mine, theirs] = [the().db, other].map((db) => createBudgetStore(db, 'paused', terms));
    const { nowUs } = (await mine?.lease(ask({ need: 0, want: 0, pauseUs: 700_000 }))) ?? { nowUs: 0 };
    let firstUs = 0;
    while (firstUs === 0) {
      const answer = await theirs?.lease(ask({}));
      expect(answer?.state.pausedUntilUs).toBe(nowUs + 700_000);
      if (answer && answer.granted > 0) firstUs = answer.nowUs;
      await sleep(10);
    }
    expect(firstUs).toBeGreaterThanOrEqual(nowUs + 700_000);
    expect(await mine?.lease(ask({ need: 5, want: 5 }))).toMatchObject({ granted: 5 });
  });

  test('is there for Composio from the start, and no user’s scope can see or use it', async () => {
    const statement = leasePermits(COMPOSIO_BUDGET, ask({}), budgetTerms(2_000));
    expect(await asSystemOnce(the().db, statement)).toMatchObject({ granted: 1 });
    await expect(forUserOnce(the().db, 'alice', statement)).rejects.toThrow('permission denied');
  });
});
