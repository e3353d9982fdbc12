/** Starts of workflows from activities: never awaited to their end, and a workflow that runs already is success. */
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { SearchAttributePair } from '@temporalio/common';
import type { Flow, OpenedFlow } from '../db/flows.ts';
import { listPendingChannels } from '../db/notices.ts';
import { forUser } from '../db/scope.ts';
import type { NoticeChannel } from '../domain/notice.ts';
import { startWithAttributes } from '../domain/unknown-attribute.ts';
import { labelDelivery } from '../domain/workflow-labels.ts';
import {
  CONNECT_ACCOUNT,
  DELIVER_NOTICE,
  type DeliverNoticeInput,
  USER_ATTRIBUTE,
  WORKFLOW_TASK_TIMEOUT,
  connectionCompletedSignal,
  flowStart,
  mainTaskQueue,
  noticeWorkflowId,
} from '../workflows/messages.ts';
import type { ActivityDeps } from './deps.ts';
import { channelsOf } from './run-notices.ts';

/** The workflow's first task comes with the answer, where this process serves its queue: a task less for the server to give out. */
const EAGER = { requestEagerStart: true } as const;

/** Clients whose namespace has refused our search attributes. */
const lacksAttributes = new WeakSet<object>();

/** Starts the flow's workflow, or tells the running one to look: what the caller registered may have happened already. */
export async function startFlowWorkflow(flow: StartedFlow): Promise<void> {
  await startFlow(flow, undefined, (client, options) =>
    client.workflow.signalWithStart(CONNECT_ACCOUNT, {
      ...options,
      signal: connectionCompletedSignal,
      signalArgs: [{ app: flow.app }],
    }),
  );
}

/** After a gate that saw no working account: usually there is nothing else to see before somebody clicks. */
export async function startOpenedFlow({ flow, isQuiet }: OpenedFlow): Promise<void> {
  if (!isQuiet) return await startFlowWorkflow(flow);
  try {
    await startFlow(flow, flow.expiresAt.getTime(), (client, options) =>
      client.workflow.start(CONNECT_ACCOUNT, { ...options, ...EAGER }),
    );
  } catch (error) {
    // Another run waits for it already, or somebody has clicked.
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

type StartedFlow = Pick<Flow, 'id' | 'userId' | 'app'>;

async function startFlow(
  flow: StartedFlow,
  quietUntil: number | undefined,
  start: (client: Client, options: ReturnType<typeof flowStart>) => Promise<unknown>,
): Promise<void> {
  const { client, info } = Context.current();
  const options = flowStart(flow, mainTaskQueue(info.taskQueue), quietUntil);
  await startWithAttributes(client, lacksAttributes, options.typedSearchAttributes, (typedSearchAttributes) =>
    start(client, { ...options, typedSearchAttributes }),
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
        ...EAGER,
        ...labelDelivery({ noticeId, userId, channel }),
      }),
    );
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}
