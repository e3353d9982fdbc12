/** A checker that cannot fail proves nothing: with one safety switched off, the same run must be red, and for the right reason. */
import { expect, test } from 'vitest';
import { playChaos } from './play.ts';

/** Short, with a bounded calm: what is looked for happens at once, or when another worker has taken over. */
const SHORT = ['--seed', '3', '--minutes', '0.7', '--users', '30', '--lanes', '16', '--calm', '90'];
const TIMEOUT_MS = 6 * 60_000;

test(
  'without the ledger’s check writes are sent twice, and the run is red for it',
  async () => {
    // There is one worker, and each of its deaths waits for an effect whose answer is up to three seconds away.
    const only = ['--workers', '1', '--kills', 'worker', '--kill-every', '20', '--aim', '1'];
    const args = [...SHORT, ...only, '--disturb-every', '0', '--doubt', '3000'];
    const played = await playChaos(args, { SABOTAGE: 'skip-ledger' });
    expect(played.code, played.output).toBe(1);
    const { found } = played.judgement();
    expect(found.duplicate).toBeGreaterThan(0);
    expect(found['cross-user']).toBe(0);
    played.discard();
  },
  TIMEOUT_MS,
);

test(
  'without the user’s scope users act as others, and the run is red for it',
  async () => {
    const played = await playChaos([...SHORT, '--kill-every', '10'], { SABOTAGE: 'skip-scope' });
    expect(played.code, played.output).toBe(1);
    const { found, violations } = played.judgement();
    expect(found['cross-user']).toBeGreaterThan(0);
    // Both ways of looking see it: whose account acted, and whose words reached the model.
    expect(violations.some(({ what }) => /acted as/.test(what))).toBe(true);
    expect(violations.some(({ what }) => /held the canaries of/.test(what))).toBe(true);
    played.discard();
  },
  TIMEOUT_MS,
);
