/** `/webhook_subscriptions`: one subscription per project, whose secret signs what is sent. */
import type { JsonObject } from '../../../domain/json.ts';
import type { Handler } from '../api-request.ts';
import { json, requiredText } from '../api-request.ts';
import type { SandboxState } from '../state/sandbox-state.ts';
import { distinctTimestamp } from '../state/ids.ts';
import type { WebhookSubscription } from '../state/webhook-subscription.ts';
import { newSubscription, newWebhookSecret, subscriptionToWire } from '../state/webhook-subscription.ts';
import { badRequest, WireError } from '../wire-error.ts';

export const listSubscriptions: Handler = (state) => {
  const items = state.subscription ? [subscriptionToWire(state.subscription)] : [];
  return json(200, { items, next_cursor: null, total_items: items.length, total_pages: 1, current_page: 1 });
};

export const createSubscription: Handler = (state, request) => {
  if (state.subscription) {
    throw new WireError('The project has a webhook subscription already', {
      status: 409,
      code: 409,
      slug: 'WebhookSubscription_Exists',
      fix: 'Change the existing subscription',
    });
  }
  const { body } = request;
  state.subscription = newSubscription(requiredText(body, 'webhook_url'), enabledEvents(body) ?? []);
  state.changed();
  return json(201, subscriptionToWire(state.subscription));
};

export const changeSubscription: Handler = (state, request) => {
  const subscription = existing(state, request.id);
  const { webhook_url: url } = request.body;
  if (typeof url === 'string') subscription.webhookUrl = url;
  subscription.enabledEvents = enabledEvents(request.body) ?? subscription.enabledEvents;
  return touched(state, subscription);
};

export const deleteSubscription: Handler = (state, request) => {
  existing(state, request.id);
  state.subscription = null;
  state.changed();
  return json(200, { success: true });
};

export const rotateSubscriptionSecret: Handler = (state, request) => {
  const subscription = existing(state, request.id);
  subscription.secret = newWebhookSecret();
  return touched(state, subscription);
};

export const getSubscription: Handler = (state, request) =>
  json(200, subscriptionToWire(existing(state, request.id)));

function touched(state: SandboxState, subscription: WebhookSubscription): ReturnType<Handler> {
  subscription.updatedAt = distinctTimestamp();
  state.changed();
  return json(200, subscriptionToWire(subscription));
}

function existing(state: SandboxState, id: string): WebhookSubscription {
  if (state.subscription?.id === id) return state.subscription;
  throw new WireError(`Webhook subscription ${id} not found`, {
    status: 404,
    code: 404,
    slug: 'WebhookSubscription_NotFound',
  });
}

function enabledEvents(body: JsonObject): readonly string[] | null {
  const events = body['enabled_events'];
  if (events === undefined) return null;
  if (!Array.isArray(events) || !events.every((event) => typeof event === 'string')) {
    throw badRequest('enabled_events must be a list of event names');
  }
  return events as readonly string[];
}
