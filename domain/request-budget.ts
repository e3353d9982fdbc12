/**
 * A request budget that several processes share, as GCRA (a bucket told by one point in time): how many requests may leave
 * now, and when the next one may. Pure arithmetic in whole microseconds; db/request-budget.ts says the same in SQL.
 * The promise: no window of the budget's length sees more requests leave than the budget has.
 */
export const REQUEST_CLASSES = ['runs', 'flows', 'audit'] as const;
/** Who asks, the first first: runs, people who connect an account, work that nobody waits for. */
export type RequestClass = (typeof REQUEST_CLASSES)[number];

/** Permits that a process has leased and not used are void after this: half a second of them is what a lease can waste. */
export const LEASE_MS = 500;
/** From a permit to the request's arrival: the ledger's claim, a new connection, a busy process. Arrivals may bunch by as much. */
const TRANSIT_MS = 500;
/** Of the budget: what may leave back to back after a quiet time. The rest is the steady rate, so more here is less there. */
const BURST_SHARE = 1 / 20;
/** Of the burst: what a class must leave behind. The runs' keep one permit or a few for those whose turn would never come. */
const RESERVES = { runs: 0.05, flows: 0.2, audit: 0.5 } as const satisfies Record<RequestClass, number>;
/** While others take all, a class still gets every so-manieth permit: a person's click must not die, nor the audit stand still. */
const TRICKLES = { flows: 10, audit: 50 } as const;

export type BudgetTerms = {
  /** What one request costs, in time. */
  readonly intervalUs: number;
  /** Requests that may leave back to back. */
  readonly burst: number;
  /** Requests that a class must leave in the bucket. */
  readonly reserves: Readonly<Record<RequestClass, number>>;
  /** Permits beyond what is needed at once are given only down to this: leases ahead are waste when they are not used. */
  readonly comfort: number;
  /** Between two permits of a class that finds its reserve reached. */
  readonly trickleUs: Readonly<Record<RequestClass, number>>;
};

/** All instants are of one clock, the database's, in microseconds since 1970. */
export type BudgetState = {
  /** When the bucket is full again. */
  readonly fullAtUs: number;
  /** Nothing leaves before. */
  readonly pausedUntilUs: number;
  /** When the class may have its next permit although its reserve is reached. */
  readonly flowsTrickleUs: number;
  readonly auditTrickleUs: number;
};

export type LeaseAsk = {
  readonly requestClass: RequestClass;
  /** For requests that wait now. */
  readonly need: number;
  /** These, and what will probably be needed soon. */
  readonly want: number;
  /** Nothing may leave for this long from now; 0: no news. */
  readonly pauseUs: number;
};

export type LeaseAnswer = { readonly granted: number; readonly nowUs: number; readonly state: BudgetState };

export const EMPTY_STATE: BudgetState = {
  fullAtUs: 0,
  pausedUntilUs: 0,
  flowsTrickleUs: 0,
  auditTrickleUs: 0,
};

/** Terms under which no window of `windowMs` sees more than `requests`, leases and transit included. @throws RangeError */
export function budgetTerms(requests: number, windowMs = 60_000): BudgetTerms {
  if (!Number.isInteger(requests) || requests < 1)
    throw new RangeError('a budget is a positive whole number');
  const windowUs = (windowMs + LEASE_MS + TRANSIT_MS) * 1_000;
  const burst = Math.max(1, Math.floor(requests * BURST_SHARE));
  // In a window of length T a bucket lets through burst + floor(T / interval): the interval is just longer than T / (requests - burst + 1).
  const intervalUs = Math.floor(windowUs / (requests - burst + 1)) + 1;
  const reserve = (share: number): number => Math.floor(burst * share);
  return {
    intervalUs,
    burst,
    reserves: {
      runs: reserve(RESERVES.runs),
      flows: reserve(RESERVES.flows),
      audit: reserve(RESERVES.audit),
    },
    comfort: Math.floor(burst / 2),
    trickleUs: { runs: 0, flows: TRICKLES.flows * intervalUs, audit: TRICKLES.audit * intervalUs },
  };
}

/** What one ask gets, and the state afterwards. */
export function lease(state: BudgetState, ask: LeaseAsk, nowUs: number, terms: BudgetTerms): LeaseAnswer {
  const { requestClass, need, want } = ask;
  const pausedUntilUs = Math.max(state.pausedUntilUs, ask.pauseUs > 0 ? nowUs + ask.pauseUs : 0);
  const fromUs = Math.max(state.fullAtUs, nowUs);
  const free = Math.max(
    0,
    Math.floor((terms.burst * terms.intervalUs - (fromUs - nowUs)) / terms.intervalUs),
  );
  const reserve = terms.reserves[requestClass];
  const isPaused = pausedUntilUs > nowUs;
  const regular = isPaused
    ? 0
    : Math.max(0, Math.min(need, free - reserve), Math.min(want, free - Math.max(reserve, terms.comfort)));
  const trickleAtUs = trickleAt(state, requestClass);
  const trickles =
    !isPaused && regular === 0 && need > 0 && free > 0 && trickleAtUs !== null && nowUs >= trickleAtUs;
  const granted = regular + (trickles ? 1 : 0);
  const nextTrickleUs = nowUs + terms.trickleUs[requestClass];
  return {
    granted,
    nowUs,
    state: {
      fullAtUs: granted > 0 ? fromUs + granted * terms.intervalUs : state.fullAtUs,
      pausedUntilUs,
      flowsTrickleUs: trickles && requestClass === 'flows' ? nextTrickleUs : state.flowsTrickleUs,
      auditTrickleUs: trickles && requestClass === 'audit' ? nextTrickleUs : state.auditTrickleUs,
    },
  };
}

/** How long from `nowUs` until this class may have a permit, if nobody else asks meanwhile; 0: at once. */
export function waitUs(
  state: BudgetState,
  requestClass: RequestClass,
  nowUs: number,
  { intervalUs, burst, reserves }: BudgetTerms,
): number {
  const untilFree = (left: number): number =>
    Math.max(state.fullAtUs, nowUs) + (left + 1 - burst) * intervalUs - nowUs;
  const trickleAtUs = trickleAt(state, requestClass);
  const regularUs = untilFree(reserves[requestClass]);
  const trickleUs = trickleAtUs === null ? regularUs : Math.max(untilFree(0), trickleAtUs - nowUs);
  return Math.max(0, Math.min(regularUs, trickleUs), state.pausedUntilUs - nowUs);
}

function trickleAt(state: BudgetState, requestClass: RequestClass): number | null {
  switch (requestClass) {
    case 'runs':
      return null;
    case 'flows':
      return state.flowsTrickleUs;
    case 'audit':
      return state.auditTrickleUs;
  }
}
