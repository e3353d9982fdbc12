/** What callbacks share in one process: their look-ups, their turn, their reads from Composio, and what is left for later. It holds work that is under way, and nothing of it afterwards. */
import type { Logger } from 'pino';
import type { Database } from '../../db/pool.ts';
import { asSystemOnce } from '../../db/scope.ts';
import { countUnheardWakes } from '../../db/unheard-wakes.ts';
import type { ComposioPort } from '../../composio/port.ts';
import type { ReadAccount } from './account-reader.ts';
import { createAccountReader } from './account-reader.ts';
import type { FindAttempt } from './attempt-finder.ts';
import { createAttemptFinder } from './attempt-finder.ts';
import { type Later, createLater } from './later.ts';
import { createPace } from './pace.ts';
import type { Turnstile } from './turnstile.ts';
import { createTurnstile } from './turnstile.ts';

/** What is still in the queue of a process that stops is not lost: its pages come again, and flows look for themselves. */
const DRAIN_MS = 5_000;
/** Of this, at least, for what was left for later. */
const LAST_WORDS_MS = 1_000;

export type CallbackDesk = {
  readonly turnstile: Turnstile;
  readonly findAttempt: FindAttempt;
  readonly readAccount: ReadAccount;
  readonly later: Later;
  /** When no more requests come: lets the queue run empty for a while. */
  close(): Promise<void>;
};

export function createCallbackDesk(deps: {
  db: Database;
  composio: ComposioPort;
  logger: Logger;
  /** Of the organisation's limit. */
  requestsPerMinute: number;
}): CallbackDesk {
  const turnstile = createTurnstile({
    paceOf: (its) =>
      createPace({
        ...its,
        perMinute: deps.requestsPerMinute,
        countUnheard: () => asSystemOnce(deps.db, countUnheardWakes()),
      }),
    onLateError: (err) =>
      deps.logger.warn({ err }, 'a callback that was answered early failed; its page comes again'),
  });
  const later = createLater({ isCalm: () => turnstile.waiting === 0 });
  return {
    turnstile,
    later,
    findAttempt: createAttemptFinder(deps.db),
    readAccount: createAccountReader(deps.composio),
    async close() {
      const until = performance.now() + DRAIN_MS;
      await turnstile.drained(DRAIN_MS);
      await later.flush(Math.max(LAST_WORDS_MS, until - performance.now()));
    },
  };
}
