/**
 * What the route of Composio's webhook works with: its secrets, and a word to the workflow that looks into what was told.
 * The word is given without being waited for, and never for each event: the rows hold what there is, and `sweep` finds what
 * was never heard of.
 */
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { labelWebhookEvents } from '../domain/workflow-labels.ts';
import {
  SETTLE_WEBHOOK_EVENTS,
  WORKFLOW_TASK_TIMEOUT,
  webhookEventArrivedSignal,
  webhookEventsWorkflowId,
} from '../workflows/messages.ts';

export type WebhooksIn = {
  /** None: the webhook is switched off. */
  readonly secrets: readonly string[];
  /** An event was written. Returns at once, throws nothing. */
  readonly tell: () => void;
  readonly close: () => Promise<void>;
};

/** Events come in swarms (an app's consent is withdrawn for all): what comes together is looked into together. */
const GATHER_MS = 200;
/** Between two words to the workflow: one for each event would be its whole work, and its history's whole length. */
const APART_MS = 1_000;
/** A signal is taken within milliseconds; after this Temporal is down, and `sweep` tells the workflow later. */
const DEADLINE_MS = 5_000;

export function createWebhooksIn({
  secrets,
  temporal,
  taskQueue,
  logger,
}: {
  secrets: readonly string[];
  temporal: Client;
  taskQueue: string;
  logger: Logger;
}): WebhooksIn {
  let timer: NodeJS.Timeout | null = null;
  let telling: Promise<void> = Promise.resolve();
  let toldAt = -APART_MS;

  async function send(): Promise<void> {
    try {
      await temporal.withDeadline(Date.now() + DEADLINE_MS, async () => {
        await temporal.workflow.signalWithStart(SETTLE_WEBHOOK_EVENTS, {
          workflowId: webhookEventsWorkflowId(taskQueue),
          taskQueue,
          args: [],
          workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
          signal: webhookEventArrivedSignal,
          signalArgs: [],
          ...labelWebhookEvents(),
        });
      });
    } catch (error) {
      logger.warn(
        { err: error },
        'an event of the webhook waits for the sweep: its workflow was not reached',
      );
    }
  }
  function flush(): void {
    timer = null;
    toldAt = performance.now();
    telling = telling.then(send);
  }

  return {
    secrets,
    tell: () => {
      timer ??= setTimeout(flush, Math.max(GATHER_MS, toldAt + APART_MS - performance.now()));
    },
    close: async () => {
      if (timer !== null) {
        clearTimeout(timer);
        flush();
      }
      await telling;
    },
  };
}
