/** The limits of one API process, as configured. */
import type { Logger } from 'pino';
import { createBudgetStore } from '../db/request-budget.ts';
import type { Database } from '../db/pool.ts';
import type { CallerLimits } from './admit.ts';
import { createKeyLimit } from './key-limit.ts';
import { createStrangerLimit } from './stranger-limit.ts';

export function createCallerLimits(
  db: Database,
  { requestsPerMinute, logger }: { requestsPerMinute: number; logger: Logger },
): CallerLimits {
  return {
    keys:
      requestsPerMinute === 0
        ? null
        : createKeyLimit(
            requestsPerMinute,
            (keyId, terms) => createBudgetStore(db, `api-key:${keyId}`, terms),
            (err) => logger.warn({ err }, 'limits by key are counted by this process alone for a while'),
          ),
    strangers: createStrangerLimit(),
  };
}
