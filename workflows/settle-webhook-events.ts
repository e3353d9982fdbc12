/**
 * Looks into what Composio's webhook told, batch by batch, until nothing is left. The rows say what there is; the signal
 * only says that there may be more, so one signal stands for any number of events.
 */
import { continueAsNew, proxyActivities, setHandler, workflowInfo } from '@temporalio/workflow';
import type { WebhookActivities } from '../activities/index.ts';
import { webhookEventArrivedSignal } from './messages.ts';
import { GATE_POLICY } from './policies.ts';

const events = proxyActivities<WebhookActivities>(GATE_POLICY);

export async function settleWebhookEvents(): Promise<void> {
  let mayBeMore = true;
  setHandler(webhookEventArrivedSignal, () => {
    mayBeMore = true;
  });
  while (mayBeMore) {
    // Events come without end where many accounts expire; the history must not grow with them.
    if (workflowInfo().continueAsNewSuggested) await continueAsNew();
    mayBeMore = false;
    const { isLast } = await events.settleWebhookEvents.executeWithOptions({ summary: 'next events' }, []);
    if (!isLast) mayBeMore = true;
  }
}
