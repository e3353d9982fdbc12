/** The workflow of a connection flow, as the API starts and wakes it. Every call also starts it when it is not there. */
import type { Client, SignalDefinition } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { SearchAttributePair } from '@temporalio/common';
import type { Flow, OpenedFlow } from '../db/flows.ts';
import { startWithAttributes } from '../domain/unknown-attribute.ts';
import { labelFlow } from '../domain/workflow-labels.ts';
import type { ConnectAccountInput } from '../workflows/messages.ts';
import {
  APPS_ATTRIBUTE,
  CONNECT_ACCOUNT,
  USER_ATTRIBUTE,
  WORKFLOW_TASK_TIMEOUT,
  attemptOpenedSignal,
  connectionCompletedSignal,
  flowWorkflowId,
} from '../workflows/messages.ts';

// A start or a signal is answered in milliseconds; a browser or a caller should not wait longer than this for an outage.
const DEADLINE_MS = 3_000;

/** Clients whose namespace has refused our search attributes. */
const lacksAttributes = new WeakSet<Client>();
const attributesOf = (flow: Flow): SearchAttributePair[] => [
  { key: USER_ATTRIBUTE, value: flow.userId },
  { key: APPS_ATTRIBUTE, value: [flow.app] },
];

type Temporal = { temporal: Client; taskQueue: string };

/** Of a flow whose user's accounts were just read, as a gate does: before a click there is nothing to see. */
export async function startFlowWorkflow(
  { temporal, taskQueue }: Temporal,
  { flow, isQuiet }: Pick<OpenedFlow, 'flow' | 'isQuiet'>,
): Promise<void> {
  const quiet = isQuiet ? { quietUntil: flow.expiresAt.getTime() } : {};
  await temporal.withDeadline(Date.now() + DEADLINE_MS, async () => {
    try {
      await startWithAttributes(temporal, lacksAttributes, attributesOf(flow), (attributes) =>
        temporal.workflow.start(CONNECT_ACCOUNT, optionsOf(taskQueue, flow, attributes, quiet)),
      );
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
    await startWithAttributes(temporal, lacksAttributes, attributesOf(flow), (attributes) =>
      temporal.workflow.signalWithStart<() => Promise<unknown>, unknown[]>(CONNECT_ACCOUNT, {
        ...(optionsOf(taskQueue, flow, attributes) as object as ReturnType<typeof optionsOf> & { args: [] }),
        signal: definition as SignalDefinition<unknown[]>,
        signalArgs: args,
      }),
    );
  });
}

function optionsOf(
  taskQueue: string,
  flow: Flow,
  typedSearchAttributes: SearchAttributePair[],
  quiet: Pick<ConnectAccountInput, 'quietUntil'> = {},
) {
  const input: ConnectAccountInput = { flowId: flow.id, userId: flow.userId, app: flow.app, ...quiet };
  return {
    workflowId: flowWorkflowId(flow.id),
    taskQueue,
    args: [input],
    typedSearchAttributes,
    workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
    workflowIdConflictPolicy: 'USE_EXISTING' as const,
    workflowIdReusePolicy: 'ALLOW_DUPLICATE' as const,
    ...labelFlow(flow),
  };
}
