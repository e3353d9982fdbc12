/**
 * Signed webhooks in Composio's V3 form: HMAC-SHA256 over `${id}.${timestamp}.${body}` with the secret used as it is
 * (not base64-decoded), in `webhook-signature: v1,<base64>`.
 */
import { createHmac, randomUUID } from 'node:crypto';
import type { Account } from './state/account.ts';
import { accountToWire } from './state/account.ts';
import type { SandboxState } from './state/sandbox-state.ts';

export const EXPIRED_EVENT = 'composio.connected_account.expired';

export type WebhookOrder = {
  readonly accountId: string;
  /** Default: the subscription's. */
  readonly url?: string;
  readonly secret?: string;
  /** Default `composio.connected_account.expired`. */
  readonly type?: string;
  /** The documented sample has no `user_id`; receivers must cope. */
  readonly omitUserId?: boolean;
  /** Repeats an earlier delivery when given: receivers must see the replay. */
  readonly webhookId?: string;
  /** Unix seconds; default now. */
  readonly timestamp?: number;
  /** Signs correctly, then changes the body. */
  readonly tamper?: boolean;
};
export type WebhookDelivery = {
  readonly webhookId: string;
  readonly timestamp: number;
  readonly body: string;
  readonly signature: string;
  /** The receiver's answer; null when it could not be reached. */
  readonly status: number | null;
  readonly error: string | null;
};

// A receiver answers at once or is broken; the control call must not hang with it.
const RECEIVER_TIMEOUT_MS = 10_000;

/** @throws RangeError when there is nowhere to send to or no such account. */
export async function emitWebhook(state: SandboxState, order: WebhookOrder): Promise<WebhookDelivery> {
  const account = state.accounts.get(order.accountId);
  if (!account) throw new RangeError(`no account ${order.accountId}`);
  const url = order.url ?? state.subscription?.webhookUrl;
  const secret = order.secret ?? state.subscription?.secret;
  if (!url || !secret) throw new RangeError('no url and secret given, and no webhook subscription');
  const webhookId = order.webhookId ?? `msg_${randomUUID()}`;
  const timestamp = order.timestamp ?? Math.floor(Date.now() / 1000);
  const signed = JSON.stringify(payload(state, account, { ...order, webhookId, timestamp }));
  const signature = `v1,${signWebhook(secret, { webhookId, timestamp, body: signed })}`;
  const body = order.tamper ? signed.replace(account.id, 'ca_tampered0000') : signed;
  const sent = { webhookId, timestamp, body, signature };
  try {
    const answer = await fetch(url, {
      method: 'POST',
      body,
      redirect: 'manual',
      signal: AbortSignal.any([state.closing.signal, AbortSignal.timeout(RECEIVER_TIMEOUT_MS)]),
      headers: {
        'content-type': 'application/json',
        'webhook-id': webhookId,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': signature,
      },
    });
    await answer.body?.cancel();
    return { ...sent, status: answer.status, error: null };
  } catch (error) {
    return { ...sent, status: null, error: String(error) };
  }
}

export function signWebhook(
  secret: string,
  message: { readonly webhookId: string; readonly timestamp: number; readonly body: string },
): string {
  return createHmac('sha256', secret)
    .update(`${message.webhookId}.${message.timestamp}.${message.body}`)
    .digest('base64');
}

function payload(
  state: SandboxState,
  account: Account,
  order: WebhookOrder & { readonly webhookId: string; readonly timestamp: number },
): Record<string, unknown> {
  const {
    state: _tokens,
    data: _data,
    ...shown
  } = accountToWire(account, state.authConfigs.get(account.authConfigId));
  if (order.omitUserId) delete shown['user_id'];
  const type = order.type ?? EXPIRED_EVENT;
  return {
    id: order.webhookId,
    timestamp: new Date(order.timestamp * 1000).toISOString(),
    type,
    data: type === EXPIRED_EVENT ? { ...shown, status: 'EXPIRED' } : shown,
    metadata: { project_id: 'pr_sandbox', org_id: 'ok_sandbox' },
  };
}
