/** A word to a run's workflow that something was decided. Only a hint: the row has the decision, and the sweep repeats what got lost. */
import { WorkflowNotFoundError } from '@temporalio/client';
import type { Logger } from 'pino';
import { callDecidedSignal, runWorkflowId } from '../workflows/messages.ts';
import type { ApiDeps } from './deps.ts';

/** The caller need not wait for an outage to end. */
const HINT_DEADLINE_MS = 2_000;

export async function hintCallDecided(
  { temporal }: Pick<ApiDeps, 'temporal'>,
  { runId, callId }: { readonly runId: string; readonly callId: string },
  log: Logger,
): Promise<void> {
  try {
    await temporal.withDeadline(Date.now() + HINT_DEADLINE_MS, async () => {
      await temporal.workflow.getHandle(runWorkflowId(runId)).signal(callDecidedSignal, { callId });
    });
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return;
    log.warn({ err: error, runId }, 'a decision could not be told; the sweep repeats it');
  }
}
