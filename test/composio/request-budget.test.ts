/** Permits as one process sees them: leased ahead, waited for in order, refused with a time, void after a pause. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ComposioFailure } from '../../composio/failure.ts';
import { type RequestBudget, createRequestBudget } from '../../composio/request-budget.ts';
import { createTransport } from '../../composio/transport.ts';
import {
  type BudgetState,
  type BudgetTerms,
  type LeaseAsk,
  EMPTY_STATE,
  REQUEST_CLASSES,
  budgetTerms,
  lease,
} from '../../domain/request-budget.ts';
import type { ScriptedServer } from './scripted-server.ts';
import { answerJson, createScriptedServer } from './scripted-server.ts';

const GET = { method: 'GET', path: '/tools', timeoutMs: 5_000 } as const;
const nowUs = () => Math.round((performance.timeOrigin + performance.now()) * 1_000);

/** The shared row, in memory, as far away as a database is. */
function createRow(terms: BudgetTerms, delayMs = 1) {
  const row = {
    asks: [] as LeaseAsk[],
    state: EMPTY_STATE as BudgetState,
    isDown: false,
    lease: async (ask: LeaseAsk) => {
      await sleep(delayMs);
      if (row.isDown) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
      row.asks.push(ask);
      const answer = lease(row.state, ask, nowUs(), terms);
      row.state = answer.state;
      return answer;
    },
  };
  return row;
}

async function failureOf(work: Promise<unknown> | undefined): Promise<ComposioFailure> {
  const error = await Promise.resolve(work).then(
    () => new Error('it went through'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof ComposioFailure) return error;
  throw error;
}

describe('permits', () => {
  it('cost one ask for the first request, and none for those that follow at once', async () => {
    const terms = budgetTerms(2_000);
    const row = createRow(terms);
    const budget = createRequestBudget(terms, row);
    await budget.take('runs');
    for (let n = 0; n < 3; n += 1) expect(budget.take('runs')).toBeUndefined();
    expect(row.asks).toHaveLength(1);
    expect(budget.stats()).toMatchObject({ leases: 1, runs: { used: 4, waited: 1, refused: 0 } });
  });

  it('cost one ask for dozens of requests at a high rate', async () => {
    const terms = budgetTerms(100_000);
    const row = createRow(terms);
    const budget = createRequestBudget(terms, row);
    for (let n = 0; n < 3_000; n += 1) {
      await budget.take('runs');
      if (n % 5 === 0) await sleep(1);
    }
    expect(budget.stats().runs.used).toBe(3_000);
    expect(row.asks.length).toBeLessThan(3_000 / 24);
  });

  it('are void half a second after they were leased', async () => {
    const terms = budgetTerms(2_000);
    const row = createRow(terms);
    const budget = createRequestBudget(terms, row);
    await budget.take('runs');
    await sleep(520);
    expect(budget.take('runs')).toBeInstanceOf(Promise);
  });

  it('of four processes that ask for all they can get stay within the budget in every window', async () => {
    const [requests, windowMs] = [150, 2_000];
    const terms = budgetTerms(requests, windowMs);
    const row = createRow(terms, 2);
    const processes = Array.from({ length: 4 }, () => createRequestBudget(terms, row));
    const sentMs: number[] = [];
    const until = performance.now() + 5_500;
    const client = async (budget: RequestBudget, n: number): Promise<void> => {
      while (performance.now() < until) {
        try {
          await budget.take(REQUEST_CLASSES[n % 3] ?? 'runs');
          sentMs.push(performance.now());
        } catch (error) {
          if (!(error instanceof ComposioFailure)) throw error;
          await sleep(error.retryAfterMs ?? 0);
        }
      }
    };
    await Promise.all(processes.flatMap((budget) => Array.from({ length: 9 }, (_, n) => client(budget, n))));
    const busiest = Math.max(
      ...sentMs.map((fromMs) => sentMs.filter((ms) => ms >= fromMs && ms <= fromMs + windowMs).length),
    );
    expect(busiest).toBeLessThanOrEqual(requests);
    // Nearly all of it was used, or the limit would be no achievement.
    expect(sentMs.length).toBeGreaterThan(0.7 * ((5_500 * 1_000) / terms.intervalUs));
  });
});

describe('who finds no permit', () => {
  it('waits in order when there will be one soon', async () => {
    const terms = budgetTerms(6_000);
    const budget = createRequestBudget(terms, createRow(terms));
    await Promise.all(Array.from({ length: 285 }, async () => await budget.take('runs')));
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 20 }, (_, n) => Promise.resolve(budget.take('runs')).then(() => order.push(n))),
    );
    expect(order).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  it('is refused at once when it would be too long: rate_limited, not sent, each with a later time', async () => {
    const terms = budgetTerms(600);
    const budget = createRequestBudget(terms, createRow(terms));
    const took = performance.now();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 200 }, async () => await budget.take('runs')),
    );
    const refused = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as ComposioFailure] : [],
    );
    // 29 at once, some 19 within the 2 s that a request waits; the others knew within a moment.
    expect(refused.length).toBeGreaterThan(140);
    for (const failure of refused) {
      expect(failure).toMatchObject({ kind: 'rate_limited', outcome: 'not_sent', httpStatus: null });
    }
    const times = refused.map((failure) => failure.retryAfterMs ?? 0).toSorted((a, b) => a - b);
    expect(times[0]).toBeGreaterThan(100);
    expect(new Set(times).size).toBeGreaterThan(100);
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(10_000);
    expect(times.at(-1)).toBeLessThanOrEqual(60_000);
    expect(performance.now() - took).toBeLessThan(10_000);
  });

  it('stops waiting when its caller gives up, and the next one gets its turn', async () => {
    const terms = budgetTerms(600);
    const budget = createRequestBudget(terms, createRow(terms));
    await Promise.all(Array.from({ length: 29 }, async () => await budget.take('runs')));
    const controller = new AbortController();
    const first = failureOf(budget.take('runs', controller.signal));
    const second = budget.take('runs');
    controller.abort();
    expect(await first).toMatchObject({
      kind: 'unavailable',
      outcome: 'not_sent',
      message: 'the caller gave up',
    });
    await second;
    expect(budget.stats().runs.used).toBe(30);
  });

  it('gets a failure to try again later when the row cannot be reached, and goes on when it can', async () => {
    const terms = budgetTerms(2_000);
    const row = createRow(terms);
    const budget = createRequestBudget(terms, row);
    row.isDown = true;
    const outcomes = await Promise.all([1, 2, 3].map(() => failureOf(budget.take('runs'))));
    for (const failure of outcomes) {
      expect(failure).toMatchObject({ kind: 'unavailable', outcome: 'not_sent', retryAfterMs: 1_000 });
    }
    row.isDown = false;
    await budget.take('runs');
  });
});

describe('a request', () => {
  let server: ScriptedServer;
  beforeEach(async () => {
    server = await createScriptedServer();
  });
  afterEach(async () => await server.close());
  const connect = (budget: RequestBudget) => createTransport({ apiKey: 'k', baseUrl: server.url, budget });

  it('takes its permit before the caller’s hook runs: without one the hook does not run and nothing is sent', async () => {
    const terms = budgetTerms(2_000);
    const row = createRow(terms);
    const transport = connect(createRequestBudget(terms, row));
    const seen: string[] = [];
    const beforeSend = async (): Promise<void> => void seen.push(`hook after ${row.asks.length} ask`);
    await transport.send({ ...GET, beforeSend });
    expect(seen).toEqual(['hook after 1 ask']);
    row.isDown = true;
    await sleep(520);
    expect(await failureOf(transport.send({ ...GET, beforeSend }))).toMatchObject({ outcome: 'not_sent' });
    expect([seen.length, server.asked.length]).toEqual([1, 1]);
  });

  it('that is answered 429 holds back every process until Retry-After is over, and void what they had leased', async () => {
    const terms = budgetTerms(2_000);
    const row = createRow(terms);
    const [mine, theirs] = [createRequestBudget(terms, row), createRequestBudget(terms, row)];
    server.script = answerJson(429, { message: 'slow down' }, { 'retry-after': '1' });
    const transport = connect(mine);
    expect((await transport.send(GET)).status).toBe(429);
    const heardMs = performance.now();
    server.script = answerJson(200, {});
    // Both have permits of a lease in hand, or none: neither may use one.
    const sent = [mine, theirs].map(async (budget) => {
      await connect(budget).send(GET);
      return performance.now() - heardMs;
    });
    await sleep(200);
    expect(server.asked).toHaveLength(1);
    for (const ms of await Promise.all(sent)) expect(ms).toBeGreaterThanOrEqual(995);
    expect(mine.stats().pauses).toBe(1);
  });

  it('that meets a pause longer than its patience is told the time that is left', async () => {
    const terms = budgetTerms(2_000);
    const budget = createRequestBudget(terms, createRow(terms));
    budget.pause(30_000);
    const { retryAfterMs, kind } = await failureOf(budget.take('flows'));
    expect(kind).toBe('rate_limited');
    expect(retryAfterMs).toBeGreaterThan(29_000);
    expect(retryAfterMs).toBeLessThan(32_000);
  });

  it('told of a pause while the row is away tells it when the row is back', async () => {
    const terms = budgetTerms(2_000);
    const row = createRow(terms);
    const budget = createRequestBudget(terms, row);
    row.isDown = true;
    budget.pause(20_000);
    await sleep(50);
    expect(row.state.pausedUntilUs).toBe(0);
    row.isDown = false;
    await sleep(600);
    const leftUs = row.state.pausedUntilUs - nowUs();
    expect(leftUs).toBeGreaterThan(18_000_000);
    expect(leftUs).toBeLessThanOrEqual(20_000_000);
  });

  it.each([
    ['a day', 86_400_000, 600_000],
    ['no time', null, 2_000],
  ])('told to wait for %s waits no longer than makes sense', async (_what, ms, mostMs) => {
    const terms = budgetTerms(2_000);
    const row = createRow(terms);
    createRequestBudget(terms, row).pause(ms);
    await sleep(50);
    const leftMs = (row.state.pausedUntilUs - nowUs()) / 1_000;
    expect(leftMs).toBeGreaterThan(mostMs - 1_000);
    expect(leftMs).toBeLessThanOrEqual(mostMs);
  });
});
