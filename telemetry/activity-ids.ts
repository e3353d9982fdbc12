/** The ids of an activity's input on each line that it logs. */
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { LOG_IDS } from '../workflows/messages.ts';

export const logActivityIds: ActivityInterceptorsFactory = () => {
  let ids: Record<string, unknown> = {};
  return {
    inbound: {
      execute: (input, next) => {
        const args = (input.args[0] ?? {}) as Record<string, unknown>;
        ids = Object.fromEntries(
          LOG_IDS.filter((name) => typeof args[name] === 'string').map((name) => [name, args[name]]),
        );
        return next(input);
      },
    },
    outbound: { getLogAttributes: (input, next) => next({ ...input, ...ids }) },
  };
};
