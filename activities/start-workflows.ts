/** Starts of workflows from activities: never awaited to their end, and a workflow that runs already is success. */
import { Context } from '@temporalio/activity';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Flow } from '../db/flows.ts';
import {
  CONNECT_ACCOUNT,
  type ConnectAccountInput,
  DELIVER_NOTICE,
  type DeliverNoticeInput,
  WORKFLOW_TASK_TIMEOUT,
  connectionCompletedSignal,
  flowWorkflowId,
  noticeWorkflowId,
} from '../workflows/messages.ts';

/** The server takes 400 bytes of summary, and 64 of a fairness key. */
const SUMMARY_LENGTH = 200;
const FAIRNESS_KEY_LENGTH = 64;

/** Starts the flow's workflow, or tells the running one to look: what the caller registered may have happened already. */
export async function startFlowWorkflow(
  flow: Pick<Flow, 'id' | 'userId' | 'app' | 'appName'>,
): Promise<void> {
  const input: ConnectAccountInput = { flowId: flow.id, userId: flow.userId, app: flow.app };
  const { client, info } = Context.current();
  await client.workflow.signalWithStart(CONNECT_ACCOUNT, {
    workflowId: flowWorkflowId(flow.id),
    taskQueue: info.taskQueue,
    args: [input],
    workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
    signal: connectionCompletedSignal,
    signalArgs: [{ app: flow.app }],
    staticSummary: `connect ${flow.appName} for ${flow.userId}`.slice(0, SUMMARY_LENGTH),
    priority: { fairnessKey: flow.userId.slice(0, FAIRNESS_KEY_LENGTH) },
  });
}

export async function startDeliveries(noticeIds: readonly string[], userId: string): Promise<void> {
  const { client, info } = Context.current();
  for (const noticeId of noticeIds) {
    const input: DeliverNoticeInput = { noticeId, userId };
    try {
      await client.workflow.start(DELIVER_NOTICE, {
        workflowId: noticeWorkflowId(noticeId),
        taskQueue: info.taskQueue,
        args: [input],
        workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
        staticSummary: `notice to ${userId}`.slice(0, SUMMARY_LENGTH),
        priority: { fairnessKey: userId.slice(0, FAIRNESS_KEY_LENGTH) },
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
  }
}
