/**
 * Starts the workflow of an accepted run and, unless told not to, waits for its connection check. Three outcomes, because
 * a request that may have arrived must be treated as arrived: `sweep` starts what was accepted and never began.
 */
import type { Client } from '@temporalio/client';
import { WithStartWorkflowOperation } from '@temporalio/client';
import type { AgentRunInput } from '../workflows/messages.ts';
import { AGENT_RUN, connectionCheckUpdate, runWorkflowId } from '../workflows/messages.ts';
import { isRefused } from './temporal-errors.ts';

// The contract's: a check that takes longer is answered with the run as it is. A live worker needs a few hundred milliseconds.
const CHECK_DEADLINE_MS = 5_000;

export type RunStart =
  | { readonly kind: 'checked' }
  | { readonly kind: 'started_or_unknown'; readonly cause?: unknown }
  | { readonly kind: 'refused'; readonly cause: unknown };

export async function startRun(
  client: Client,
  taskQueue: string,
  run: { id: string; userId: string; tools: readonly string[] },
  waitForCheck: boolean,
): Promise<RunStart> {
  const options = startOptions(taskQueue, run);
  const operation = new WithStartWorkflowOperation(AGENT_RUN, options);
  let hasStarted = false;
  operation.workflowHandle().then(
    () => (hasStarted = true),
    () => undefined,
  );
  try {
    await client.withDeadline(Date.now() + CHECK_DEADLINE_MS, async () => {
      if (!waitForCheck) await client.workflow.start(AGENT_RUN, options);
      else
        await client.workflow.executeUpdateWithStart(connectionCheckUpdate, {
          startWorkflowOperation: operation,
        });
    });
    return waitForCheck ? { kind: 'checked' } : { kind: 'started_or_unknown' };
  } catch (error) {
    return !hasStarted && isRefused(error)
      ? { kind: 'refused', cause: error }
      : { kind: 'started_or_unknown', cause: error };
  }
}

function startOptions(taskQueue: string, run: { id: string; userId: string; tools: readonly string[] }) {
  const input: AgentRunInput = { runId: run.id, userId: run.userId };
  return {
    workflowId: runWorkflowId(run.id),
    taskQueue,
    args: [input],
    workflowIdConflictPolicy: 'USE_EXISTING' as const,
    workflowIdReusePolicy: 'REJECT_DUPLICATE' as const,
    // Names only, never the task: the summary is not encrypted and stands in the UI. The server takes 400 bytes.
    staticSummary: `run for ${run.userId}`,
    // One user's many runs must not hold up another's. The server takes 64 bytes.
    priority: { fairnessKey: run.userId.slice(0, 64) },
  };
}
