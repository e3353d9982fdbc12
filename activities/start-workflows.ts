/** Starts of workflows from activities: never awaited to their end, and a workflow that runs already is success. */
import { Context } from '@temporalio/activity';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Flow } from '../db/flows.ts';
import { listPendingChannels } from '../db/notices.ts';
import { forUser } from '../db/scope.ts';
import type { NoticeChannel } from '../domain/notice.ts';
import {
  CONNECT_ACCOUNT,
  type ConnectAccountInput,
  DELIVER_NOTICE,
  type DeliverNoticeInput,
  WORKFLOW_TASK_TIMEOUT,
  connectionCompletedSignal,
  flowWorkflowId,
  mainTaskQueue,
  noticeWorkflowId,
} from '../workflows/messages.ts';
import type { ActivityDeps } from './deps.ts';
import { channelsOf } from './run-notices.ts';

/** The server takes 400 bytes of summary, and 64 of a fairness key. */
const SUMMARY_LENGTH = 200;
const FAIRNESS_KEY_LENGTH = 64;
/** Behind runs, which have the server's default of 3: thousands of notices at once must not hold one up. */
const NOTICE_PRIORITY = 4;

/** Starts the flow's workflow, or tells the running one to look: what the caller registered may have happened already. */
export async function startFlowWorkflow(
  flow: Pick<Flow, 'id' | 'userId' | 'app' | 'appName'>,
): Promise<void> {
  const input: ConnectAccountInput = { flowId: flow.id, userId: flow.userId, app: flow.app };
  const { client, info } = Context.current();
  await client.workflow.signalWithStart(CONNECT_ACCOUNT, {
    workflowId: flowWorkflowId(flow.id),
    taskQueue: mainTaskQueue(info.taskQueue),
    args: [input],
    workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
    signal: connectionCompletedSignal,
    signalArgs: [{ app: flow.app }],
    staticSummary: `connect ${flow.appName} for ${flow.userId}`.slice(0, SUMMARY_LENGTH),
    priority: { fairnessKey: flow.userId.slice(0, FAIRNESS_KEY_LENGTH) },
  });
}

/** Starts the deliveries of notices just written, one workflow per channel that is in line. */
export async function startDeliveries(
  noticeIds: readonly string[],
  userId: string,
  { db, settings }: Pick<ActivityDeps, 'db' | 'settings'>,
): Promise<void> {
  const channels = channelsOf(settings);
  if (noticeIds.length === 0 || channels.length === 0) return;
  // Who gets mail is known to the rows only; without mail nothing is asked.
  const inLine = channels.includes('mail')
    ? await forUser(db, userId, (tx) => listPendingChannels(tx, noticeIds))
    : noticeIds.map((noticeId) => ({ noticeId, channel: 'webhook' as const }));
  for (const { noticeId, channel } of inLine) await startDelivery({ noticeId, userId, channel });
}

/** @returns false when it runs already. */
export async function startDelivery({
  noticeId,
  userId,
  channel,
}: {
  noticeId: string;
  userId: string;
  channel: NoticeChannel;
}): Promise<boolean> {
  const { client, info } = Context.current();
  const input: DeliverNoticeInput = { noticeId, userId, ...(channel === 'webhook' ? {} : { channel }) };
  try {
    await client.workflow.start(DELIVER_NOTICE, {
      workflowId: noticeWorkflowId(noticeId, channel),
      taskQueue: mainTaskQueue(info.taskQueue),
      args: [input],
      workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
      staticSummary: `${channel === 'mail' ? 'mail' : 'notice'} to ${userId}`.slice(0, SUMMARY_LENGTH),
      priority: { priorityKey: NOTICE_PRIORITY, fairnessKey: userId.slice(0, FAIRNESS_KEY_LENGTH) },
    });
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}
