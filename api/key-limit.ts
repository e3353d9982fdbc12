/**
 * How many requests one API key may make, shared by all API processes: a bucket of one minute's requests, in a row of its
 * own, leased some at a time, so that most requests cost no round trip. When the row cannot be reached, each process counts
 * for itself: a limit that is held loosely for a while is better than an API that is gone with it.
 */
import {
  type BudgetTerms,
  type LeaseAnswer,
  type LeaseAsk,
  EMPTY_STATE,
  lease,
  waitUs,
} from '../domain/request-budget.ts';

export type KeyLimit = {
  readonly perMinute: number;
  /** @returns null: go on; else the milliseconds after which the key may ask again. */
  admit(keyId: string): Promise<number | null>;
};

/** Permits that were leased and not used are void after this: another process may need them. */
const LEASE_MS = 1_000;
/** A key that is used at all is used again within a second. */
const LEAST_AHEAD = 10;
/** A database that takes longer is not waited for: a limit must not be what makes an answer late. */
const STORE_TIMEOUT_MS = 250;
/** How long a process counts for itself before it asks the row again. */
const STORE_RETRY_MS = 5_000;

type Pool = {
  left: number;
  untilMs: number;
  /** Nothing before this. */
  emptyUntilMs: number;
  waiting: number;
  used: number;
  asking: Promise<void> | null;
  local: LeaseAnswer['state'];
};

export function createKeyLimit(
  perMinute: number,
  storeOf: (keyId: string, terms: BudgetTerms) => { lease(ask: LeaseAsk): Promise<LeaseAnswer> },
  onStoreFailure: (error: unknown) => void,
): KeyLimit {
  const terms = keyTerms(perMinute);
  const pools = new Map<string, Pool>();
  let storeDownUntilMs = 0;

  async function refill(keyId: string, pool: Pool): Promise<void> {
    // Those who come in the same moment are one ask.
    await Promise.resolve();
    const sentMs = performance.now();
    const ask: LeaseAsk = {
      requestClass: 'runs',
      need: pool.waiting,
      want: pool.waiting + Math.max(LEAST_AHEAD, pool.used),
      pauseUs: 0,
    };
    const answer = await askStore(keyId, pool, ask);
    pool.left = answer.granted;
    pool.untilMs = sentMs + LEASE_MS;
    pool.used = 0;
    if (answer.granted === 0)
      pool.emptyUntilMs = performance.now() + waitUs(answer.state, 'runs', answer.nowUs, terms) / 1_000;
  }

  async function askStore(keyId: string, pool: Pool, ask: LeaseAsk): Promise<LeaseAnswer> {
    if (performance.now() >= storeDownUntilMs) {
      try {
        return await within(STORE_TIMEOUT_MS, storeOf(keyId, terms).lease(ask));
      } catch (error) {
        storeDownUntilMs = performance.now() + STORE_RETRY_MS;
        onStoreFailure(error);
      }
    }
    const answer = lease(pool.local, ask, Math.round(performance.now() * 1_000), terms);
    pool.local = answer.state;
    return answer;
  }

  return {
    perMinute,
    async admit(keyId) {
      let pool = pools.get(keyId);
      if (!pool) {
        pool = {
          left: 0,
          untilMs: 0,
          emptyUntilMs: 0,
          waiting: 0,
          used: 0,
          asking: null,
          local: EMPTY_STATE,
        };
        pools.set(keyId, pool);
      }
      for (;;) {
        const nowMs = performance.now();
        if (pool.left > 0 && nowMs < pool.untilMs) {
          pool.left -= 1;
          pool.used += 1;
          return null;
        }
        if (nowMs < pool.emptyUntilMs) return pool.emptyUntilMs - nowMs;
        pool.waiting += 1;
        const mine = pool;
        pool.asking ??= refill(keyId, mine).finally(() => (mine.asking = null));
        await pool.asking;
        pool.waiting -= 1;
      }
    },
  };
}

/** A whole minute's requests may come at once; then they come at the steady rate. */
function keyTerms(perMinute: number): BudgetTerms {
  const none = { runs: 0, flows: 0, audit: 0 };
  const intervalUs = Math.ceil(60_000_000 / perMinute);
  return {
    intervalUs,
    burst: perMinute,
    reserves: none,
    comfort: Math.floor(perMinute / 10),
    trickleUs: none,
  };
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
