/**
 * Starts the workflow of an accepted run and, unless told not to, waits for its connection check. Three outcomes, because
 * a request that may have arrived must be treated as arrived: `sweep` starts what was accepted and never began.
 */
import type { Client } from '@temporalio/client';
import { WithStartWorkflowOperation } from '@temporalio/client';
import type { SearchAttributePair } from '@temporalio/common';
import { isUnknownAttribute } from '../domain/unknown-attribute.ts';
import { labelRun } from '../domain/workflow-labels.ts';
import type { AgentRunInput } from '../workflows/messages.ts';
import {
  AGENT_RUN,
  APPS_ATTRIBUTE,
  STATUS_ATTRIBUTE,
  USER_ATTRIBUTE,
  WORKFLOW_TASK_TIMEOUT,
  connectionCheckUpdate,
  runWorkflowId,
} from '../workflows/messages.ts';
import { isRefused } from './temporal-errors.ts';

// What a start gets in any case, also when the checks before it took long: a live server needs a few milliseconds.
const LEAST_MS = 1_000;

export type RunStart =
  | { readonly kind: 'checked' }
  | { readonly kind: 'started_or_unknown'; readonly cause?: unknown }
  | { readonly kind: 'refused'; readonly cause: unknown };

/** `deadline`: by our clock, milliseconds since the epoch. */
export type StartWait = { readonly waitForCheck: boolean; readonly deadline: number };
type StartedRun = { readonly id: string; readonly userId: string; readonly apps: readonly string[] };

export async function startRun(
  client: Client,
  taskQueue: string,
  run: StartedRun,
  wait: StartWait,
): Promise<RunStart> {
  const first = await startOnce(client, startOptions(taskQueue, run, searchAttributes(client, run)), wait);
  if (first.kind !== 'refused' || lacksAttributes.has(client) || !isUnknownAttribute(first.cause))
    return first;
  // The worker says at its start which command adds them; until then runs go without.
  lacksAttributes.add(client);
  return startOnce(client, startOptions(taskQueue, run, []), wait);
}

/** Clients whose namespace has refused our search attributes. */
const lacksAttributes = new WeakSet<Client>();

function searchAttributes(client: Client, run: StartedRun): SearchAttributePair[] {
  if (lacksAttributes.has(client)) return [];
  return [
    { key: USER_ATTRIBUTE, value: run.userId },
    { key: STATUS_ATTRIBUTE, value: 'running' },
    ...(run.apps.length === 0 ? [] : [{ key: APPS_ATTRIBUTE, value: [...run.apps] }]),
  ];
}

async function startOnce(
  client: Client,
  options: ReturnType<typeof startOptions>,
  wait: StartWait,
): Promise<RunStart> {
  const operation = new WithStartWorkflowOperation(AGENT_RUN, options);
  let hasStarted = false;
  operation.workflowHandle().then(
    () => (hasStarted = true),
    () => undefined,
  );
  try {
    await client.withDeadline(Math.max(wait.deadline, Date.now() + LEAST_MS), async () => {
      if (!wait.waitForCheck) await client.workflow.start(AGENT_RUN, options);
      else
        await client.workflow.executeUpdateWithStart(connectionCheckUpdate, {
          startWorkflowOperation: operation,
        });
    });
    return wait.waitForCheck ? { kind: 'checked' } : { kind: 'started_or_unknown' };
  } catch (error) {
    return !hasStarted && isRefused(error)
      ? { kind: 'refused', cause: error }
      : { kind: 'started_or_unknown', cause: error };
  }
}

function startOptions(taskQueue: string, run: StartedRun, typedSearchAttributes: SearchAttributePair[]) {
  const input: AgentRunInput = { runId: run.id, userId: run.userId };
  return {
    workflowId: runWorkflowId(run.id),
    taskQueue,
    args: [input],
    typedSearchAttributes,
    workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
    workflowIdConflictPolicy: 'USE_EXISTING' as const,
    workflowIdReusePolicy: 'REJECT_DUPLICATE' as const,
    ...labelRun(run),
  };
}
