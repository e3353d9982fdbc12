/** The project's webhook subscription: at most one, as at Composio. */
import { distinctTimestamp, nanoId } from './ids.ts';

export type WebhookSubscription = {
  readonly id: string;
  webhookUrl: string;
  enabledEvents: readonly string[];
  readonly version: 'V3';
  secret: string;
  readonly createdAt: string;
  updatedAt: string;
};

export function newSubscription(webhookUrl: string, enabledEvents: readonly string[]): WebhookSubscription {
  const at = distinctTimestamp();
  return {
    id: nanoId('whs_'),
    webhookUrl,
    enabledEvents,
    version: 'V3',
    secret: newWebhookSecret(),
    createdAt: at,
    updatedAt: at,
  };
}

export function newWebhookSecret(): string {
  return nanoId('whsec_', 40);
}

/** The secret is shown in full, as the live API shows it to the project's key. */
export function subscriptionToWire(subscription: WebhookSubscription): Record<string, unknown> {
  return {
    id: subscription.id,
    webhook_url: subscription.webhookUrl,
    version: subscription.version,
    enabled_events: subscription.enabledEvents,
    secret: subscription.secret,
    created_at: subscription.createdAt,
    updated_at: subscription.updatedAt,
  };
}
