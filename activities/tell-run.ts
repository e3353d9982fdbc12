/** Signals to runs. They are hints and may be repeated; a run that is gone needs none. */
import { Context } from '@temporalio/activity';
import { type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import { callDecidedSignal, connectionCompletedSignal, runWorkflowId } from '../workflows/messages.ts';

export async function wakeRun(runId: string, app: string): Promise<void> {
  await tellRun(runId, (run) => run.signal(connectionCompletedSignal, { app }));
}

export async function tellCallDecided(runId: string, callId: string): Promise<void> {
  await tellRun(runId, (run) => run.signal(callDecidedSignal, { callId }));
}

export async function tellRun(runId: string, tell: (run: WorkflowHandle) => Promise<void>): Promise<void> {
  try {
    await tell(Context.current().client.workflow.getHandle(runWorkflowId(runId)));
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}
