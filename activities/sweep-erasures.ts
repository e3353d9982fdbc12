/** Erasures that were accepted and whose workflow never began, or ended without a word: begun again, from their first step. */
import { Context } from '@temporalio/activity';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { listRunningErasures } from '../db/erasures.ts';
import { asSystem } from '../db/scope.ts';
import { labelErasure } from '../domain/workflow-labels.ts';
import { ERASE_USER, WORKFLOW_TASK_TIMEOUT, eraseWorkflowId, mainTaskQueue } from '../workflows/messages.ts';
import type { ActivityDeps } from './deps.ts';

/** The API starts it within seconds of the row. */
const UNSTARTED_AFTER_MS = 20_000;
const BATCH = 50;

/** @returns how many were begun again. */
export async function sweepErasures({ db }: Pick<ActivityDeps, 'db'>): Promise<number> {
  const { client, info } = Context.current();
  const ids = await asSystem(db, (tx) =>
    listRunningErasures(tx, { olderThanMs: UNSTARTED_AFTER_MS, limit: BATCH }),
  );
  let started = 0;
  for (const erasureId of ids) {
    try {
      await client.workflow.start(ERASE_USER, {
        workflowId: eraseWorkflowId(erasureId),
        taskQueue: mainTaskQueue(info.taskQueue),
        args: [{ erasureId }],
        workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
        ...labelErasure(erasureId),
      });
      started += 1;
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
  }
  return started;
}
