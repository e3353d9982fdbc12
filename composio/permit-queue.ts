/**
 * One class' permits in one process. They are leased some at a time, so that most requests cost no round trip; who finds
 * none waits a moment, in order, and is then told when to come again. It keeps no user's anything and holds no connection.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BudgetTerms,
  type LeaseAnswer,
  type LeaseAsk,
  type RequestClass,
  LEASE_MS,
  waitUs,
} from '../domain/request-budget.ts';
import { ComposioFailure } from './failure.ts';
import { createUseMeter } from './use-meter.ts';

/** A worker's slot must not be held by somebody who only waits: then Temporal's policy comes again, or the browser, which gets its page within 2 s. */
const PATIENCE_MS = { runs: 2_000, flows: 1_000, audit: 2_000 } as const satisfies Record<
  RequestClass,
  number
>;
/** A tool call makes two requests, and often not alone: so many are leased ahead even by a process that did nothing lately. */
const LEAST_AHEAD = 3;
/** While there is not enough for all who wait, asking more often than this only costs statements. */
const BATCH_MS = 100;
/** Longer than any usual answer of the database; a lease that comes later was granted to a process that was frozen meanwhile. */
const STALE_MS = 5_000;
/** By then others may have ended their work, so that a longer estimate would keep somebody waiting for nothing. */
const MAX_HINT_MS = 60_000;
/** When the budget's row cannot be reached. */
const STORE_RETRY_MS = 1_000;

export type ClassCounts = { used: number; waited: number; refused: number };
export type PermitQueue = {
  readonly counts: Readonly<ClassCounts>;
  /** Undefined: go. Else resolves when the request may leave. @throws ComposioFailure, not sent, with the time to come again. */
  take(signal?: AbortSignal): Promise<void> | undefined;
  /** Permits that are held here are void, and there are none before `untilMs` (of performance.now). */
  hold(untilMs: number): void;
};

type Waiter = {
  readonly deadlineMs: number;
  readonly settle: (failure?: ComposioFailure) => void;
};

export function createPermitQueue(
  requestClass: RequestClass,
  terms: BudgetTerms,
  ask: (ask: Omit<LeaseAsk, 'pauseUs'>) => Promise<LeaseAnswer>,
): PermitQueue {
  const patienceMs = PATIENCE_MS[requestClass];
  const intervalMs = terms.intervalUs / 1_000;
  const counts: ClassCounts = { used: 0, waited: 0, refused: 0 };
  const uses = createUseMeter(LEASE_MS);
  const waiters: Waiter[] = [];
  let held = { count: 0, untilMs: 0 };
  /** Before this (of performance.now) the budget has nothing for us. */
  let notBeforeMs = 0;
  let pausedUntilMs = 0;
  /** What those who were sent away have been told: each gets a moment of its own. */
  let hintMs = 0;
  let isPumping = false;

  function use(): void {
    counts.used += 1;
    uses.note(performance.now());
  }

  function tooLate(nowMs: number): ComposioFailure {
    counts.refused += 1;
    const nextMs = Math.max(hintMs, nowMs, notBeforeMs) + uses.spacingMs(nowMs, intervalMs);
    // Far ahead, one moment is as good a guess as another; spread, so that not all come at once.
    hintMs = Math.min(nextMs, nowMs + MAX_HINT_MS * (0.5 + Math.random() / 2));
    return new ComposioFailure('the budget of requests to Composio has nothing left for now', {
      kind: 'rate_limited',
      outcome: 'not_sent',
      retryAfterMs: Math.ceil(Math.max(hintMs, pausedUntilMs) - nowMs),
    });
  }

  async function pump(): Promise<void> {
    if (isPumping) return;
    isPumping = true;
    try {
      // Those who come in the same moment are one ask.
      await Promise.resolve();
      while (waiters.length > 0) {
        const delayMs = notBeforeMs - performance.now();
        if (delayMs > 0) await sleep(delayMs);
        else await leaseOnce();
      }
    } catch (cause) {
      const failure = new ComposioFailure('the budget of requests to Composio cannot be asked', {
        kind: 'unavailable',
        outcome: 'not_sent',
        retryAfterMs: STORE_RETRY_MS,
        cause,
      });
      for (const waiter of waiters.splice(0)) waiter.settle(failure);
    } finally {
      isPumping = false;
    }
  }

  async function leaseOnce(): Promise<void> {
    const sentMs = performance.now();
    const need = waiters.length;
    const ahead = Math.max(LEAST_AHEAD, uses.recent(sentMs));
    const answer = await ask({ requestClass, need, want: need + ahead });
    const nowMs = performance.now();
    // A pause that came meanwhile, or a process that slept: what was granted may not be used any more.
    const isVoid = nowMs < pausedUntilMs || nowMs - sentMs > STALE_MS;
    let left = isVoid ? 0 : answer.granted;
    for (; left > 0 && waiters.length > 0; left -= 1) {
      use();
      waiters.shift()?.settle();
    }
    held = { count: left, untilMs: sentMs + LEASE_MS };
    // Who came meanwhile has not been asked for yet.
    if (waiters.length === 0 || answer.granted >= need) return;
    const waitMs = waitUs(answer.state, requestClass, answer.nowUs, terms) / 1_000;
    notBeforeMs = Math.max(
      notBeforeMs,
      nowMs + Math.max(waitMs, Math.min(waiters.length * intervalMs, BATCH_MS)),
    );
    // From the end: those who came first still have their turn within their patience.
    while ((waiters.at(-1)?.deadlineMs ?? Infinity) < turnOf(waiters.length - 1)) {
      waiters.pop()?.settle(tooLate(nowMs));
    }
  }

  const turnOf = (position: number): number => notBeforeMs + position * intervalMs;

  return {
    counts,
    take(signal) {
      const nowMs = performance.now();
      if (held.count > 0 && nowMs < held.untilMs && waiters.length === 0) {
        held.count -= 1;
        use();
        return undefined;
      }
      if (nowMs + patienceMs < turnOf(waiters.length)) return Promise.reject(tooLate(nowMs));
      const waiting = enqueue(waiters, { nowMs, patienceMs, signal, tooLate });
      counts.waited += 1;
      void pump();
      return waiting;
    },
    hold(untilMs) {
      held = { count: 0, untilMs: 0 };
      pausedUntilMs = Math.max(pausedUntilMs, untilMs);
      notBeforeMs = Math.max(notBeforeMs, untilMs);
    },
  };
}

/** Waits at the end of the queue until it is settled from outside, its patience ends, or its caller gives up. */
function enqueue(
  waiters: Waiter[],
  {
    nowMs,
    patienceMs,
    signal,
    tooLate,
  }: {
    nowMs: number;
    patienceMs: number;
    signal: AbortSignal | undefined;
    tooLate: (nowMs: number) => ComposioFailure;
  },
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const leave = (failure: ComposioFailure): void => {
    waiters.splice(waiters.indexOf(waiter), 1);
    waiter.settle(failure);
  };
  const onAbort = (): void =>
    leave(
      new ComposioFailure('the caller gave up', {
        kind: 'unavailable',
        outcome: 'not_sent',
        cause: signal?.reason,
      }),
    );
  const timer = setTimeout(() => leave(tooLate(performance.now())), patienceMs);
  const waiter: Waiter = {
    deadlineMs: nowMs + patienceMs,
    settle(failure) {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      if (failure) reject(failure);
      else resolve();
    },
  };
  waiters.push(waiter);
  signal?.addEventListener('abort', onAbort, { once: true });
  return promise;
}
