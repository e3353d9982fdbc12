/**
 * The schedule of faults: a pure function of the seed, the length and the rates. The same seed gives the same faults at the
 * same times; what they meet there depends on the machine.
 */
import type { FaultAction } from '../sandbox/composio/faults/fault.ts';
import type { Fault as ModelFault } from '../sandbox/model/protocol.ts';
import {
  BREAKS,
  type Break,
  type Fault,
  type KilledPart,
  LINKS,
  type LinkFault,
  type LinkName,
  type Planned,
} from './fault.ts';
import { type Random, createRandom } from './random.ts';

type Weighted<T> = readonly { readonly weight: number; readonly item: T }[];

/** Before the first fault: the first runs should be on their way. */
const LEAD_MS = 4_000;

/** A server's restart takes seconds in which nothing moves, so servers die less often than processes of ours. */
const KILLS: Weighted<KilledPart> = [
  { weight: 50, item: 'worker' },
  { weight: 30, item: 'api' },
  { weight: 12, item: 'postgres' },
  { weight: 8, item: 'temporal' },
];

/** Between an effect and its answer is where doubt comes from; blind kills rarely meet it. */
export const AIMED_SHARE = 0.3;

/** The others leave one of a kind at work, so that on a slow machine, where a start takes long, something still moves. */
const RASH_SHARE = 0.15;

/** Evenly over the run, so that one of a minute meets as much doubt as chance gives a long one. */
const BLACKOUTS = 3;

const KINDS: Weighted<'freeze' | 'deploy' | 'link' | 'composio' | 'model' | 'break'> = [
  { weight: 4, item: 'freeze' },
  { weight: 7, item: 'deploy' },
  { weight: 28, item: 'link' },
  { weight: 24, item: 'composio' },
  { weight: 10, item: 'model' },
  { weight: 27, item: 'break' },
];

export type ScheduleOptions = {
  readonly seed: number;
  readonly lengthMs: number;
  readonly killEveryMs: number;
  /** Parts that are killed; all of them when not given. */
  readonly kills?: readonly KilledPart[];
  /** The share of kills that wait for an effect. */
  readonly aim?: number;
  readonly disturbEveryMs: number;
};

export function planFaults(options: ScheduleOptions): readonly Planned[] {
  const { seed, lengthMs, killEveryMs, disturbEveryMs, kills: parts, aim } = options;
  const killed = KILLS.filter(({ item }) => parts === undefined || parts.includes(item));
  const drawKill = (random: Random): Fault => ({
    kind: 'kill',
    part: random.weighted(killed),
    pick: random.next(),
    isAimed: random.chance(aim ?? AIMED_SHARE),
    isRash: random.chance(RASH_SHARE),
  });
  const kills = spread(createRandom(seed, 'kills'), { lengthMs, everyMs: killEveryMs, draw: drawKill });
  const others = spread(createRandom(seed, 'disturbances'), {
    lengthMs,
    everyMs: disturbEveryMs,
    draw: drawDisturbance,
  });
  const hasBlackouts = killEveryMs > 0 && killed.some(({ item }) => item === 'worker');
  const blackouts = Array.from({ length: hasBlackouts ? BLACKOUTS : 0 }, (_, index) => ({
    atMs: Math.round((lengthMs * (index + 1)) / (BLACKOUTS + 1)),
    fault: { kind: 'blackout' as const },
  }));
  return [...kills, ...others, ...blackouts]
    .sort((a, b) => a.atMs - b.atMs)
    .map(({ atMs, fault }, index) => ({ n: index + 1, atMs, fault }));
}

function spread(
  random: Random,
  { lengthMs, everyMs, draw }: { lengthMs: number; everyMs: number; draw: (random: Random) => Fault },
): { atMs: number; fault: Fault }[] {
  const planned: { atMs: number; fault: Fault }[] = [];
  if (everyMs <= 0) return planned;
  // Half to one and a half of the mean: faults meet each other, and leave room now and then.
  for (let atMs = LEAD_MS; atMs < lengthMs; atMs += Math.round(everyMs * (0.5 + random.next()))) {
    planned.push({ atMs, fault: draw(random) });
  }
  return planned;
}

function drawDisturbance(random: Random): Fault {
  switch (random.weighted(KINDS)) {
    case 'freeze':
      // Past the heartbeat timeout of 10 s: another worker takes over, and this one wakes up later.
      return { kind: 'freeze', pick: random.next(), forMs: random.int(11_000, 15_000) };
    case 'deploy':
      return { kind: 'deploy', pick: random.next() };
    case 'link': {
      const link = random.pick(LINKS);
      return { kind: 'link', link, fault: drawLinkFault(random, link), forMs: random.int(300, 4_000) };
    }
    case 'composio':
      return drawComposioFault(random);
    case 'model':
      return { kind: 'model', fault: random.pick(MODEL_FAULTS), times: random.int(1, 6) };
    case 'break':
      return { kind: 'break', how: random.weighted(BREAK_WEIGHTS), user: random.next(), app: random.next() };
  }
}

const BREAK_WEIGHTS: Weighted<Break> = BREAKS.map((item) => ({ item, weight: item === 'EXPIRED' ? 4 : 1 }));

const MODEL_FAULTS: readonly ModelFault[] = [
  { kind: 'status', status: 429, retryAfter: '1' },
  { kind: 'status', status: 500 },
  { kind: 'status', status: 503, retryAfter: '1' },
  { kind: 'reset' },
  { kind: 'reset_mid_body' },
  { kind: 'latency', ms: 1_500 },
];

function drawLinkFault(random: Random, link: LinkName): LinkFault {
  const how = random.weighted<LinkFault['how']>([
    { weight: 2, item: 'reset' },
    { weight: 1, item: 'refuse' },
    { weight: 2, item: 'stall' },
    { weight: 2, item: 'black-hole' },
    { weight: 2, item: 'delay' },
    { weight: 2, item: 'cut-after' },
    { weight: 4, item: 'drop-answer' },
  ]);
  if (how === 'delay') return { how, ms: random.int(20, 600) };
  if (how === 'cut-after') return { how, bytes: random.int(1, 6_000) };
  if (how !== 'drop-answer') return { how };
  const to = wordsOfDoubt(link, random);
  return to === null ? { how: 'reset' } : { how, to, times: random.int(1, 4) };
}

/** In requests whose lost answer leaves doubt. HTTP/2 compresses its words, so gRPC has none. */
function wordsOfDoubt(link: LinkName, random: Random): string | null {
  // A commit of its own, or one that comes with the only statement: those are known by their prepared names.
  if (link.endsWith('-postgres')) return random.int(0, 2) === 0 ? 'commit' : 'bellhop-';
  if (link.endsWith('-composio')) return '/tools/execute/';
  if (link === 'client-api') return 'POST /v1/runs';
  return null;
}

const EXECUTE = 'tools.execute';
type Doing = { readonly action: FaultAction; readonly route: string | null };

const COMPOSIO_FAULTS: Weighted<Doing> = [
  { weight: 2, item: { route: null, action: { type: 'status', status: 429, retryAfter: 1 } } },
  { weight: 1, item: { route: EXECUTE, action: { type: 'status', status: 429, retryAfter: 2 } } },
  { weight: 1, item: { route: null, action: { type: 'status', status: 500 } } },
  { weight: 1, item: { route: EXECUTE, action: { type: 'status', status: 500 } } },
  { weight: 2, item: { route: EXECUTE, action: { type: 'status', status: 502, afterEffect: true } } },
  { weight: 1, item: { route: null, action: { type: 'status', status: 503, retryAfter: 1 } } },
  { weight: 1, item: { route: EXECUTE, action: { type: 'hang' } } },
  { weight: 1, item: { route: EXECUTE, action: { type: 'hang', afterEffect: true } } },
  { weight: 1, item: { route: null, action: { type: 'hang' } } },
  { weight: 1, item: { route: EXECUTE, action: { type: 'reset' } } },
  { weight: 3, item: { route: EXECUTE, action: { type: 'reset', afterEffect: true } } },
  { weight: 1, item: { route: EXECUTE, action: { type: 'malformed', how: 'truncated' } } },
  { weight: 1, item: { route: EXECUTE, action: { type: 'malformed', how: 'invalid_json' } } },
  { weight: 1, item: { route: EXECUTE, action: { type: 'malformed', how: 'html' } } },
  { weight: 1, item: { route: EXECUTE, action: { type: 'malformed', how: 'empty' } } },
  { weight: 1, item: { route: EXECUTE, action: { type: 'unsuccessful', error: 'channel_not_found' } } },
  {
    weight: 1,
    item: {
      route: EXECUTE,
      action: { type: 'unsuccessful', error: 'upstream request timed out', afterEffect: true },
    },
  },
  { weight: 2, item: { route: null, action: { type: 'latency', minMs: 300, maxMs: 2_000 } } },
  {
    weight: 2,
    item: { route: EXECUTE, action: { type: 'latency', minMs: 300, maxMs: 4_000, afterEffect: true } },
  },
];

function drawComposioFault(random: Random): Fault {
  const doing = random.weighted(COMPOSIO_FAULTS);
  const share = random.pick([0.1, 0.3, 0.6]);
  return { kind: 'composio', ...doing, share, forMs: random.int(500, 4_000) };
}
