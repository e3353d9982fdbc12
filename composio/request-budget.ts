/**
 * The organisation's budget of requests to Composio, as one process sees it. Every request takes a permit before it leaves,
 * and before the ledger says that it does. The budget itself is a row that all processes share; what stands behind `store`
 * is the composition root's to say. When the row cannot be reached, nothing leaves: a limit that N processes guess is none,
 * and without the database nothing of a run could go on anyhow. No failure from here is final, each says `not_sent`.
 */
import {
  type BudgetTerms,
  type LeaseAnswer,
  type LeaseAsk,
  type RequestClass,
  REQUEST_CLASSES,
} from '../domain/request-budget.ts';
import { type ClassCounts, createPermitQueue } from './permit-queue.ts';

export type BudgetStats = Readonly<Record<RequestClass, Readonly<ClassCounts>>> & {
  /** Asks of the budget's row. */
  readonly leases: number;
  /** Answers 429 that were heard here. */
  readonly pauses: number;
};

export type RequestBudget = {
  /** Undefined: go at once. Else resolves when the request may leave. @throws ComposioFailure that says when to come again. */
  take(requestClass: RequestClass, signal?: AbortSignal): Promise<void> | undefined;
  /** Composio said 429: no process sends anything for this long. Null: it did not say for how long. */
  pause(ms: number | null): void;
  /** Another process was told so. */
  heardPause(ms: number): void;
  stats(): BudgetStats;
};

/** Composio counts in windows of 1 and of 10 minutes; a longer wait is not about the organisation's limit. */
const MAX_PAUSE_MS = 10 * 60_000;
/** When it does not say: the time in which a bucket lets a few more in. */
const DEFAULT_PAUSE_MS = 2_000;
/** The row must hear of a pause, or the other processes go on; by the next lease at the latest. */
const TELL_AGAIN_MS = 250;

export function createRequestBudget(
  terms: BudgetTerms,
  store: { lease(ask: LeaseAsk): Promise<LeaseAnswer> },
): RequestBudget {
  const stats = { leases: 0, pauses: 0 };
  /** Of performance.now; later than that, the row need not hear of it. */
  let untoldUntilMs = 0;

  function holdAll(untilMs: number): void {
    for (const requestClass of REQUEST_CLASSES) queues[requestClass].hold(untilMs);
  }

  async function ask(wanted: Omit<LeaseAsk, 'pauseUs'>): Promise<LeaseAnswer> {
    stats.leases += 1;
    const telling = untoldUntilMs;
    const pauseMs = Math.max(0, telling - performance.now());
    const answer = await store.lease({ ...wanted, pauseUs: Math.ceil(pauseMs * 1_000) });
    if (untoldUntilMs === telling) untoldUntilMs = 0;
    const leftMs = (answer.state.pausedUntilUs - answer.nowUs) / 1_000;
    if (leftMs > 0) holdAll(performance.now() + leftMs);
    return answer;
  }

  function tell(): void {
    if (untoldUntilMs <= performance.now()) return;
    ask({ requestClass: 'runs', need: 0, want: 0 }).catch(() => setTimeout(tell, TELL_AGAIN_MS).unref());
  }

  const queueOf = (requestClass: RequestClass) => createPermitQueue(requestClass, terms, ask);
  const queues = { runs: queueOf('runs'), flows: queueOf('flows'), audit: queueOf('audit') };

  return {
    take: (requestClass, signal) => queues[requestClass].take(signal),
    pause(ms) {
      stats.pauses += 1;
      const untilMs = performance.now() + Math.min(ms ?? DEFAULT_PAUSE_MS, MAX_PAUSE_MS);
      holdAll(untilMs);
      untoldUntilMs = Math.max(untoldUntilMs, untilMs);
      tell();
    },
    heardPause: (ms) => holdAll(performance.now() + Math.min(ms, MAX_PAUSE_MS)),
    stats: () => ({
      ...stats,
      runs: { ...queues.runs.counts },
      flows: { ...queues.flows.counts },
      audit: { ...queues.audit.counts },
    }),
  };
}
