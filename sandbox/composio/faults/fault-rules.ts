/** The list of fault rules, and which of them apply to a request: every fitting delay, and the first other fault. */
import { nanoId } from '../state/ids.ts';
import type { FaultAction, FaultMatch, FaultRule, NewFault, RequestFacts } from './fault.ts';

type Rule = NewFault & {
  readonly id: string;
  matched: number;
  applied: number;
  readonly random: () => number;
};

/** What to do to one request. Delays come first, in the order of the rules. */
export type FaultPlan = {
  readonly ruleIds: readonly string[];
  readonly delays: readonly { readonly ms: number; readonly afterEffect: boolean }[];
  readonly action: Exclude<FaultAction, { type: 'latency' }> | null;
};

export class FaultRules {
  #rules: Rule[] = [];

  add(fault: NewFault): FaultRule {
    const seed =
      fault.seed ??
      (fault.action.type === 'latency' && 'seed' in fault.action ? fault.action.seed : undefined);
    const rule: Rule = {
      ...fault,
      id: nanoId('fault_', 8),
      matched: 0,
      applied: 0,
      random: seededRandom(seed ?? 1),
    };
    this.#rules.push(rule);
    return show(rule);
  }

  remove(id: string): boolean {
    const before = this.#rules.length;
    this.#rules = this.#rules.filter((rule) => rule.id !== id);
    return this.#rules.length < before;
  }

  clear(): void {
    this.#rules = [];
  }

  list(): readonly FaultRule[] {
    return this.#rules.map(show);
  }

  get isEmpty(): boolean {
    return this.#rules.length === 0;
  }

  /** Uses up one application of each rule in the plan. Null when no rule applies. */
  plan(facts: RequestFacts): FaultPlan | null {
    const ruleIds: string[] = [];
    const delays: { ms: number; afterEffect: boolean }[] = [];
    let action: FaultPlan['action'] = null;
    for (const rule of this.#rules) {
      const isLatency = rule.action.type === 'latency';
      if ((!isLatency && action !== null) || !fits(rule.match, facts) || !takes(rule)) continue;
      ruleIds.push(rule.id);
      if (rule.action.type === 'latency') {
        delays.push({
          ms: drawDelay(rule.action, rule.random),
          afterEffect: rule.action.afterEffect ?? false,
        });
      } else {
        action = rule.action;
      }
    }
    return ruleIds.length === 0 ? null : { ruleIds, delays, action };
  }
}

function show({ random: _random, ...rule }: Rule): FaultRule {
  return rule;
}

function fits(match: FaultMatch | undefined, facts: RequestFacts): boolean {
  if (match === undefined) return true;
  return (
    (match.method === undefined || match.method.toUpperCase() === facts.method) &&
    (match.pathPrefix === undefined || facts.path.startsWith(match.pathPrefix)) &&
    (match.route === undefined || match.route === facts.route) &&
    (match.slug === undefined || match.slug.toUpperCase() === facts.slug?.toUpperCase()) &&
    (match.userId === undefined || facts.userIds.includes(match.userId))
  );
}

function takes(rule: Rule): boolean {
  if (rule.times !== undefined && rule.applied >= rule.times) return false;
  rule.matched += 1;
  if (rule.matched <= (rule.skip ?? 0)) return false;
  if (rule.probability !== undefined && rule.random() >= rule.probability) return false;
  rule.applied += 1;
  return true;
}

function drawDelay(action: Extract<FaultAction, { type: 'latency' }>, random: () => number): number {
  return 'ms' in action ? action.ms : action.minMs + random() * (action.maxMs - action.minMs);
}

/** mulberry32: small, and the same sequence for the same seed on every machine. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
