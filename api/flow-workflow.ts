/** The workflow of a connection flow, as the API starts and wakes it. Every call also starts it when it is not there. */
import type { Client, SignalDefinition, WorkflowIdReusePolicy } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Flow, OpenedFlow } from '../db/flows.ts';
import { startWithAttributes } from '../domain/unknown-attribute.ts';
import type { ConnectAccountInput } from '../workflows/messages.ts';
import {
  CONNECT_ACCOUNT,
  attemptOpenedSignal,
  connectionCompletedSignal,
  flowStart,
} from '../workflows/messages.ts';

// A start or a signal is answered in milliseconds; a browser or a caller should not wait longer than this for an outage.
const DEADLINE_MS = 3_000;

/** A flow has one workflow at a time, and may have another after it. */
const ONCE = { workflowIdConflictPolicy: 'USE_EXISTING', workflowIdReusePolicy: 'ALLOW_DUPLICATE' } as const;

/** Clients whose namespace has refused our search attributes. */
const lacksAttributes = new WeakSet<Client>();

type Temporal = { temporal: Client; taskQueue: string };

/** Of a flow whose user's accounts were just read, as a gate does: before a click there is nothing to see. */
export async function startFlowWorkflow(
  deps: Temporal,
  { flow, isQuiet }: Pick<OpenedFlow, 'flow' | 'isQuiet'>,
): Promise<void> {
  const quietUntil = isQuiet ? flow.expiresAt.getTime() : undefined;
  try {
    await inTime(deps, flow, quietUntil, (options) => deps.temporal.workflow.start(CONNECT_ACCOUNT, options));
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

/** The flow has ended, as its row says. Its workflow may have seen that and have ended too: then it need not be told, and none is started. */
export async function signalFlowCompleted(deps: Temporal, flow: Flow): Promise<void> {
  try {
    await signal(deps, flow, connectionCompletedSignal, [{ app: flow.app }], 'ALLOW_DUPLICATE_FAILED_ONLY');
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

/** Somebody clicked: there is an account to look at for a while. */
export async function signalAttemptOpened(deps: Temporal, flow: Flow): Promise<void> {
  await signal(deps, flow, attemptOpenedSignal, []);
}

async function signal<Args extends unknown[]>(
  deps: Temporal,
  flow: Flow,
  definition: SignalDefinition<Args>,
  args: Args,
  workflowIdReusePolicy: WorkflowIdReusePolicy = ONCE.workflowIdReusePolicy,
): Promise<void> {
  await inTime(deps, flow, undefined, (options) =>
    deps.temporal.workflow.signalWithStart<(input: ConnectAccountInput) => Promise<unknown>, unknown[]>(
      CONNECT_ACCOUNT,
      {
        ...options,
        workflowIdReusePolicy,
        signal: definition as SignalDefinition<unknown[]>,
        signalArgs: args,
      },
    ),
  );
}

async function inTime(
  { temporal, taskQueue }: Temporal,
  flow: Flow,
  quietUntil: number | undefined,
  start: (options: ReturnType<typeof flowStart> & typeof ONCE) => Promise<unknown>,
): Promise<void> {
  const options = { ...flowStart(flow, taskQueue, quietUntil), ...ONCE };
  await temporal.withDeadline(Date.now() + DEADLINE_MS, async () => {
    await startWithAttributes(temporal, lacksAttributes, options.typedSearchAttributes, (attributes) =>
      start({ ...options, typedSearchAttributes: attributes }),
    );
  });
}
