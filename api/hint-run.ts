/** A word to a run's workflow that something has happened. Only a hint: the rows have it, and the sweep repeats what got lost. */
import { type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import type { Logger } from 'pino';
import { callDecidedSignal, connectionCompletedSignal, runWorkflowId } from '../workflows/messages.ts';
import type { ApiDeps } from './deps.ts';

/** The caller need not wait for an outage to end. */
const HINT_DEADLINE_MS = 2_000;

type Temporal = Pick<ApiDeps, 'temporal'>;

export async function hintCallDecided(
  deps: Temporal,
  { runId, callId }: { readonly runId: string; readonly callId: string },
  log: Logger,
): Promise<void> {
  await hint(deps, runId, log, (run) => run.signal(callDecidedSignal, { callId }));
}

/** An app that it waits for was connected. */
export async function hintConnected(
  deps: Temporal,
  { runId, app }: { readonly runId: string; readonly app: string },
  log: Logger,
): Promise<void> {
  await hint(deps, runId, log, (run) => run.signal(connectionCompletedSignal, { app }));
}

async function hint(
  { temporal }: Temporal,
  runId: string,
  log: Logger,
  tell: (run: WorkflowHandle) => Promise<void>,
): Promise<void> {
  try {
    await temporal.withDeadline(Date.now() + HINT_DEADLINE_MS, async () => {
      await tell(temporal.workflow.getHandle(runWorkflowId(runId)));
    });
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return;
    log.warn({ err: error, runId }, 'a run could not be told; the sweep repeats it');
  }
}
