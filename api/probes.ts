/** How readiness asks each part. */
import type { Client } from '@temporalio/client';
import { pingDatabase } from '../db/ping.ts';
import type { Database } from '../db/pool.ts';
import type { ObservedComposio } from './observed-composio.ts';
import type { ReadinessProbes } from './readiness.ts';

// Within readiness' own 2 s, so that the request ends when the probe does.
const TEMPORAL_DEADLINE_MS = 1_900;

export function createProbes(parts: {
  db: Database;
  temporal: Client;
  composio: ObservedComposio;
}): ReadinessProbes {
  const { db, temporal, composio } = parts;
  return {
    postgres: () => pingDatabase(db),
    // DescribeNamespace, not the server's health: a namespace that is not there takes no runs either.
    temporal: () =>
      temporal.withDeadline(Date.now() + TEMPORAL_DEADLINE_MS, async () => {
        await temporal.workflowService.describeNamespace({ namespace: temporal.options.namespace });
      }),
    composio,
  };
}
