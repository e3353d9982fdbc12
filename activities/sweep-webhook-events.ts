/** The sweep's part in what Composio's webhook told: events that nobody was told of, and those that need not be known any more. */
import { Context } from '@temporalio/activity';
import { asSystem } from '../db/scope.ts';
import { hasWebhookEvents, pruneWebhookEvents } from '../db/webhook-events.ts';
import { labelWebhookEvents } from '../domain/workflow-labels.ts';
import {
  SETTLE_WEBHOOK_EVENTS,
  WORKFLOW_TASK_TIMEOUT,
  mainTaskQueue,
  webhookEventArrivedSignal,
  webhookEventsWorkflowId,
} from '../workflows/messages.ts';
import type { ActivityDeps } from './deps.ts';

/** The API tells within a second; a workflow that is at work comes to it without being told again. */
const UNHEARD_AFTER_MS = 20_000;
/** Per pass, of a minute: more than Composio's request limit lets anybody send. */
const FORGET_AT_ONCE = 5_000;

/** @returns 1 when the workflow was told that there is something. */
export async function sweepWebhookEvents(deps: ActivityDeps): Promise<number> {
  const isWaiting = await asSystem(deps.db, async (tx) => {
    await pruneWebhookEvents(tx, FORGET_AT_ONCE);
    return hasWebhookEvents(tx, { olderThanMs: UNHEARD_AFTER_MS });
  });
  if (!isWaiting) return 0;
  const { client, info } = Context.current();
  await client.workflow.signalWithStart(SETTLE_WEBHOOK_EVENTS, {
    workflowId: webhookEventsWorkflowId(mainTaskQueue(info.taskQueue)),
    taskQueue: mainTaskQueue(info.taskQueue),
    args: [],
    workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
    signal: webhookEventArrivedSignal,
    signalArgs: [],
    ...labelWebhookEvents(),
  });
  return 1;
}
