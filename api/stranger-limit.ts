/**
 * Slows down who guesses keys, by address and in this process' memory alone: rows would be as many as the addresses that an
 * attacker has. An address that has guessed too often gets no key of its looked at, but for those that have worked before:
 * people behind the same address go on.
 */
import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { type BudgetState, type BudgetTerms, EMPTY_STATE, lease, waitUs } from '../domain/request-budget.ts';

export type StrangerLimit = {
  readonly perMinute: number;
  /** Before a key is looked at. @returns null: look; else the milliseconds to wait. */
  mayTry(address: string, authorization: string): number | null;
  noteBad(address: string): void;
  noteGood(authorization: string): void;
};

/**
 * Keys have 256 bits and cannot be guessed: this bounds what a flood costs in look-ups, to 20 a second. A test suite that tries
 * every route with every kind of bad key stays below it; the good keys of its address must not be locked out by that.
 */
export const BAD_KEYS_PER_MINUTE = 1_200;
/** About 100 bytes each; the oldest is forgotten, and begins anew. */
const MAX_ADDRESSES = 10_000;
const MAX_KEYS = 1_000;

const NONE = { runs: 0, flows: 0, audit: 0 };
const TERMS: BudgetTerms = {
  intervalUs: 60_000_000 / BAD_KEYS_PER_MINUTE,
  burst: BAD_KEYS_PER_MINUTE,
  reserves: NONE,
  comfort: 0,
  trickleUs: NONE,
};

export function createStrangerLimit(now: () => number = () => performance.now()): StrangerLimit {
  const addresses = new Map<string, BudgetState>();
  const goodKeys = new Map<string, true>();
  const nowUs = (): number => Math.round(now() * 1_000);
  return {
    perMinute: BAD_KEYS_PER_MINUTE,
    mayTry(address, authorization) {
      const state = addresses.get(networkOf(address));
      if (!state) return null;
      const waitMs = waitUs(state, 'runs', nowUs(), TERMS) / 1_000;
      return waitMs === 0 || goodKeys.has(digest(authorization)) ? null : waitMs;
    },
    noteBad(address) {
      const network = networkOf(address);
      const ask = { requestClass: 'runs', need: 1, want: 1, pauseUs: 0 } as const;
      remember(
        addresses,
        network,
        lease(addresses.get(network) ?? EMPTY_STATE, ask, nowUs(), TERMS).state,
        MAX_ADDRESSES,
      );
    },
    noteGood: (authorization) => remember(goodKeys, digest(authorization), true, MAX_KEYS),
  };
}

/** A Map iterates in order of insertion: the first is the one that was not seen for longest. */
function remember<V>(map: Map<string, V>, key: string, value: V, most: number): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.size > most ? map.keys().next() : null;
  if (oldest && !oldest.done) map.delete(oldest.value);
}

/** One household or server has 2^64 addresses of IPv6, and one of IPv4. */
function networkOf(address: string): string {
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (v4 !== undefined || !isIPv6(address)) return v4 ?? address;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = Array.from({ length: tail === undefined ? 0 : 8 - groups.length - rest.length }, () => '0');
  return [...groups, ...gap, ...rest].slice(0, 4).join(':');
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
