/** What `npm run chaos` is asked for. Reads no environment; main.ts does. */

import { KILLED_PARTS, type KilledPart } from './fault.ts';
import { AIMED_SHARE } from './schedule.ts';

export type ChaosOptions = {
  readonly seed: number;
  readonly minutes: number;
  /** Users at once who have runs going. */
  readonly lanes: number;
  readonly users: number;
  readonly workers: number;
  readonly apis: number;
  /** Mean time between two kills, seconds. */
  readonly killEvery: number;
  /** Which parts are killed. */
  readonly kills: readonly KilledPart[];
  /** The share of kills that wait for an effect. */
  readonly aim: number;
  /** The longest time between an effect and its answer, milliseconds: the window in which a kill leaves doubt. */
  readonly doubt: number;
  /** Mean time between two disturbances of other kinds, seconds. */
  readonly disturbEvery: number;
  /** The longest wait for everything to end after the last fault, seconds. */
  readonly calm: number;
  /** Where the logs go; null: a new folder under the system's temporary one. */
  readonly folder: string | null;
  readonly report: string | null;
  /** Keep the folder also when nothing was found. */
  readonly keep: boolean;
};

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const NUMBERS = [
  'seed',
  'minutes',
  'lanes',
  'users',
  'workers',
  'apis',
  'kill-every',
  'disturb-every',
  'calm',
  'doubt',
  'aim',
] as const;
const TEXTS = ['folder', 'report', 'kills'] as const;
type NumberName = (typeof NUMBERS)[number];
type TextName = (typeof TEXTS)[number];

/** @throws UsageError */
export function parseOptions(args: readonly string[], randomSeed: number): ChaosOptions {
  const numbers = new Map<NumberName, number>();
  const texts = new Map<TextName, string>();
  let keep = false;
  for (let at = 0; at < args.length; at += 1) {
    const name = args[at]?.replace(/^--/, '') ?? '';
    if (name === 'keep') {
      keep = true;
      continue;
    }
    at += 1;
    const value = args[at];
    if (value === undefined) throw new UsageError(`--${name} needs a value`);
    if ((TEXTS as readonly string[]).includes(name)) texts.set(name as TextName, value);
    else if ((NUMBERS as readonly string[]).includes(name)) {
      const number = Number(value);
      if (!(number >= 0)) throw new UsageError(`--${name} must be a number, not ${value}`);
      numbers.set(name as NumberName, number);
    } else {
      throw new UsageError(`--${name} is not known; known are ${[...NUMBERS, ...TEXTS, 'keep'].join(', ')}`);
    }
  }
  const of = (name: NumberName, usual: number): number => numbers.get(name) ?? usual;
  const minutes = of('minutes', 2);
  return {
    seed: of('seed', randomSeed),
    minutes,
    lanes: of('lanes', 32),
    users: of('users', 80),
    workers: of('workers', 2),
    apis: of('apis', 2),
    // 720 kills in an hour.
    killEvery: of('kill-every', 5),
    disturbEvery: of('disturb-every', 4),
    // The sweep comes once a minute; a delivery that was refused twice waits for five.
    calm: of('calm', minutes >= 10 ? 1_200 : 300),
    kills: parseParts(texts.get('kills')),
    aim: of('aim', AIMED_SHARE),
    // A real tool takes about that long; the more calls are on their way, the more a kill has to meet.
    doubt: of('doubt', 1_000),
    folder: texts.get('folder') ?? null,
    report: texts.get('report') ?? null,
    keep,
  };
}

function parseParts(text: string | undefined): readonly KilledPart[] {
  if (text === undefined) return KILLED_PARTS;
  return text.split(',').map((name) => {
    const part = KILLED_PARTS.find((known) => known === name);
    if (part === undefined) throw new UsageError(`--kills knows ${KILLED_PARTS.join(', ')}, not ${name}`);
    return part;
  });
}
