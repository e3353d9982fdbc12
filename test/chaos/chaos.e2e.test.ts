/**
 * The chaos run: two minutes by default, `CHAOS_MINUTES` and `CHAOS_SEED` change it. Real processes, real kills; on a violation
 * its logs are kept and named, with the command that plays the seed again.
 */
import { expect, test } from 'vitest';
import { playChaos } from './play.ts';

const SEED = process.env['CHAOS_SEED'] ?? '20261121';
const MINUTES = process.env['CHAOS_MINUTES'] ?? '2';
/** Besides the run itself: the start, at most five minutes of calm (twenty after a long run) and the check. */
const AROUND_MS = 12 * 60_000;
const AROUND_LONG_MS = 30 * 60_000;

test(
  `${MINUTES} minutes of kills and faults: nothing twice, nothing as somebody else, nothing lost (seed ${SEED})`,
  async () => {
    // A kill each five seconds wants a machine of its own; the other tests run beside this one.
    const played = await playChaos([
      '--seed',
      SEED,
      '--minutes',
      MINUTES,
      '--lanes',
      '16',
      '--kill-every',
      '6',
    ]);
    expect(played.code, played.output).toBe(0);
    const { found, effects, kills, calls, isSettled, modelRequests } = played.judgement();
    expect(found).toEqual({
      duplicate: 0,
      'cross-user': 0,
      lost: 0,
      'wrong outcome': 0,
      notice: 0,
      'failed run': 0,
    });
    expect(isSettled).toBe(true);
    // A stage where nothing happens, or nobody dies, would prove nothing.
    expect(effects.writes).toBeGreaterThan(20 * Number(MINUTES));
    expect(modelRequests).toBeGreaterThan(20 * Number(MINUTES));
    expect(Object.values(kills).reduce((sum, n) => sum + n, 0)).toBeGreaterThan(5 * Number(MINUTES));
    expect(calls['done']).toBeGreaterThan(0);
    console.log(played.output.slice(played.output.indexOf('| effects')).split('\n\n')[0]);
    played.discard();
  },
  Number(MINUTES) * 60_000 + (Number(MINUTES) >= 10 ? AROUND_LONG_MS : AROUND_MS),
);
