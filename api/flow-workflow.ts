/** The workflow of a connection flow, as the API starts and wakes it. Every call also starts it when it is not there. */
import type { Client, SignalDefinition } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Flow } from '../db/flows.ts';
import type { ConnectAccountInput } from '../workflows/messages.ts';
import {
  CONNECT_ACCOUNT,
  WORKFLOW_TASK_TIMEOUT,
  attemptOpenedSignal,
  connectionCompletedSignal,
  flowWorkflowId,
} from '../workflows/messages.ts';

// A start or a signal is answered in milliseconds; a browser or a caller should not wait longer than this for an outage.
const DEADLINE_MS = 3_000;

type Temporal = { temporal: Client; taskQueue: string };

export async function startFlowWorkflow({ temporal, taskQueue }: Temporal, flow: Flow): Promise<void> {
  await temporal.withDeadline(Date.now() + DEADLINE_MS, async () => {
    try {
      await temporal.workflow.start(CONNECT_ACCOUNT, optionsOf(taskQueue, flow));
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
  });
}

/** An account of this flow may have become usable. */
export async function signalFlowCompleted(deps: Temporal, flow: Flow): Promise<void> {
  await signal(deps, flow, connectionCompletedSignal, [{ app: flow.app }]);
}

/** Somebody clicked: there is an account to look at for a while. */
export async function signalAttemptOpened(deps: Temporal, flow: Flow): Promise<void> {
  await signal(deps, flow, attemptOpenedSignal, []);
}

async function signal<Args extends unknown[]>(
  { temporal, taskQueue }: Temporal,
  flow: Flow,
  definition: SignalDefinition<Args>,
  args: Args,
): Promise<void> {
  await temporal.withDeadline(Date.now() + DEADLINE_MS, async () => {
    await temporal.workflow.signalWithStart<() => Promise<unknown>, unknown[]>(CONNECT_ACCOUNT, {
      ...(optionsOf(taskQueue, flow) as object as ReturnType<typeof optionsOf> & { args: [] }),
      signal: definition as SignalDefinition<unknown[]>,
      signalArgs: args,
    });
  });
}

function optionsOf(taskQueue: string, flow: Flow) {
  const input: ConnectAccountInput = { flowId: flow.id, userId: flow.userId, app: flow.app };
  return {
    workflowId: flowWorkflowId(flow.id),
    taskQueue,
    args: [input],
    workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
    workflowIdConflictPolicy: 'USE_EXISTING' as const,
    workflowIdReusePolicy: 'ALLOW_DUPLICATE' as const,
    staticSummary: `connect ${flow.appName} for ${flow.userId}`.slice(0, 200),
    priority: { fairnessKey: flow.userId.slice(0, 64) },
  };
}
