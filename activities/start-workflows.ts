/** Starts of workflows from activities: never awaited to their end, and a workflow that runs already is success. */
import { Context } from '@temporalio/activity';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { SearchAttributePair } from '@temporalio/common';
import type { Flow } from '../db/flows.ts';
import { listPendingChannels } from '../db/notices.ts';
import { forUser } from '../db/scope.ts';
import type { NoticeChannel } from '../domain/notice.ts';
import { startWithAttributes } from '../domain/unknown-attribute.ts';
import { labelDelivery, labelFlow } from '../domain/workflow-labels.ts';
import {
  APPS_ATTRIBUTE,
  CONNECT_ACCOUNT,
  type ConnectAccountInput,
  DELIVER_NOTICE,
  type DeliverNoticeInput,
  USER_ATTRIBUTE,
  WORKFLOW_TASK_TIMEOUT,
  connectionCompletedSignal,
  flowWorkflowId,
  mainTaskQueue,
  noticeWorkflowId,
} from '../workflows/messages.ts';
import type { ActivityDeps } from './deps.ts';
import { channelsOf } from './run-notices.ts';

/** Clients whose namespace has refused our search attributes. */
const lacksAttributes = new WeakSet<object>();

/** Starts the flow's workflow, or tells the running one to look: what the caller registered may have happened already. */
export async function startFlowWorkflow(flow: Pick<Flow, 'id' | 'userId' | 'app'>): Promise<void> {
  const input: ConnectAccountInput = { flowId: flow.id, userId: flow.userId, app: flow.app };
  const { client, info } = Context.current();
  const attributes: SearchAttributePair[] = [
    { key: USER_ATTRIBUTE, value: flow.userId },
    { key: APPS_ATTRIBUTE, value: [flow.app] },
  ];
  await startWithAttributes(client, lacksAttributes, attributes, (typedSearchAttributes) =>
    client.workflow.signalWithStart(CONNECT_ACCOUNT, {
      typedSearchAttributes,
      workflowId: flowWorkflowId(flow.id),
      taskQueue: mainTaskQueue(info.taskQueue),
      args: [input],
      workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
      signal: connectionCompletedSignal,
      signalArgs: [{ app: flow.app }],
      ...labelFlow(flow),
    }),
  );
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
    const attributes: SearchAttributePair[] = [{ key: USER_ATTRIBUTE, value: userId }];
    await startWithAttributes(client, lacksAttributes, attributes, (typedSearchAttributes) =>
      client.workflow.start(DELIVER_NOTICE, {
        typedSearchAttributes,
        workflowId: noticeWorkflowId(noticeId, channel),
        taskQueue: mainTaskQueue(info.taskQueue),
        args: [input],
        workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
        ...labelDelivery({ noticeId, userId, channel }),
      }),
    );
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}
