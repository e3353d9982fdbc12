/**
 * Composio's v3.1 shapes and how they become ours. Lenient by design: unknown fields are ignored, unknown statuses cannot act,
 * an item without an id or an owner is dropped, for nobody could ever be allowed to use it. Pure.
 */
import { z } from 'zod';
import type { ConnectedAccount } from '../domain/gate.ts';
import type { JsonObject } from '../domain/json.ts';
import type { ConnectionStatus } from '../domain/statuses.ts';
import { CONNECTION_STATUSES } from '../domain/statuses.ts';
import { effectOf, type Tool } from '../domain/tool.ts';
import { withoutFileParameters } from './close-schema.ts';
import type { ConnectLink, Toolkit } from './port.ts';

const text = z.string().min(1);
const optionalText = z.string().nullish().catch(null);
const optionalFlag = z.boolean().nullish().catch(null);
/** Stands in for a time that Composio left out, so that such an account is never the newest. */
const LONG_AGO = '1970-01-01T00:00:00.000Z';

export const listPage = z.object({
  items: z.array(z.unknown()),
  next_cursor: z.string().nullish().catch(null),
});

const wireAccount = z.object({
  id: text,
  user_id: text,
  status: z.string(),
  status_reason: optionalText,
  toolkit: z.object({ slug: text }),
  auth_config: z.object({ id: optionalText, is_disabled: optionalFlag }).nullish().catch(null),
  is_disabled: optionalFlag,
  created_at: optionalText,
  updated_at: optionalText,
});

/** The account, or null when it names no id, owner or toolkit. */
export function toAccount(item: unknown): ConnectedAccount | null {
  const parsed = wireAccount.safeParse(item);
  if (!parsed.success) return null;
  const account = parsed.data;
  const status = toStatus(account.status);
  return {
    id: account.id,
    entityId: account.user_id,
    app: account.toolkit.slug.toLowerCase(),
    authConfigId: account.auth_config?.id ?? null,
    status,
    statusReason:
      account.status_reason ??
      (status === account.status.toUpperCase() ? null : `unknown status ${account.status.slice(0, 40)}`),
    disabled: account.is_disabled === true || account.auth_config?.is_disabled === true,
    createdAt: toUtc(account.created_at),
    updatedAt: toUtc(account.updated_at ?? account.created_at),
  };
}

/** Whose it is, as far as an item that is no account says. */
export function toOwner(item: unknown): string | null {
  const parsed = z.object({ user_id: text }).safeParse(item);
  return parsed.success ? parsed.data.user_id : null;
}

/** A status that Composio may add one day must never act, and its user must be asked rather than left waiting: INACTIVE. */
function toStatus(text: string): ConnectionStatus {
  const status = text.toUpperCase();
  return (CONNECTION_STATUSES as readonly string[]).includes(status)
    ? (status as ConnectionStatus)
    : 'INACTIVE';
}

function toUtc(time: string | null | undefined): string {
  const ms = time ? Date.parse(time) : Number.NaN;
  return Number.isNaN(ms) ? LONG_AGO : new Date(ms).toISOString();
}

const wireTool = z.object({
  slug: text,
  description: optionalText,
  version: optionalText,
  no_auth: optionalFlag,
  tags: z.array(z.string()).nullish().catch(null),
  toolkit: z.object({ slug: text, name: optionalText }),
  input_parameters: z.custom<JsonObject>(isObject).nullish().catch(null),
});

/** A tool as the wire has it: where it does not say whether it needs an account (`noAuth` null), its toolkit does. */
export type WireTool = Omit<Tool, 'noAuth'> & { readonly noAuth: boolean | null };

export function toTool(item: unknown): WireTool | null {
  const parsed = wireTool.safeParse(item);
  if (!parsed.success) return null;
  const tool = parsed.data;
  return {
    slug: tool.slug,
    description: tool.description ?? '',
    app: tool.toolkit.slug.toLowerCase(),
    appName: toDisplayName(tool.toolkit),
    version: tool.version ?? null,
    noAuth: tool.no_auth ?? null,
    tags: tool.tags ?? [],
    readOnly: effectOf(tool.tags ?? []) === 'read',
    parameters: withoutFileParameters(tool.input_parameters ?? { type: 'object', properties: {} }),
  };
}

const wireToolkit = z.object({
  slug: text,
  name: optionalText,
  no_auth: optionalFlag,
  auth_config_details: z
    .array(z.object({ mode: z.string() }))
    .nullish()
    .catch(null),
});

export function toToolkit(item: unknown): Toolkit | null {
  const parsed = wireToolkit.safeParse(item);
  if (!parsed.success) return null;
  const { slug, name, no_auth: noAuth, auth_config_details: modes } = parsed.data;
  const isOpen = modes ? modes.length > 0 && modes.every((m) => m.mode === 'NO_AUTH') : false;
  return { app: slug.toLowerCase(), name: toDisplayName({ slug, name }), noAuth: noAuth === true || isOpen };
}

/** A person reads "your Slack account", also where Composio gives no name, or the slug for one. */
function toDisplayName({ slug, name }: { slug: string; name?: string | null | undefined }): string {
  const shown = name?.trim() || slug.toLowerCase();
  return shown === slug.toLowerCase() ? `${shown.slice(0, 1).toUpperCase()}${shown.slice(1)}` : shown;
}

const wireAuthConfig = z.object({
  id: text,
  toolkit: z.object({ slug: text }).nullish().catch(null),
  status: optionalText,
  is_disabled: optionalFlag,
  created_at: optionalText,
});
export type AuthConfig = {
  readonly id: string;
  readonly app: string | null;
  readonly enabled: boolean;
  readonly createdAt: string;
};

export function toAuthConfig(item: unknown): AuthConfig | null {
  const parsed = wireAuthConfig.safeParse(item);
  if (!parsed.success) return null;
  const config = parsed.data;
  return {
    id: config.id,
    app: config.toolkit?.slug.toLowerCase() ?? null,
    enabled: config.is_disabled !== true && config.status !== 'DISABLED',
    createdAt: toUtc(config.created_at),
  };
}

const wireCreatedAuthConfig = z.union([
  z.object({ auth_config: z.object({ id: text }) }).transform((body) => body.auth_config.id),
  z.object({ id: text }).transform((body) => body.id),
]);

export function toCreatedAuthConfigId(body: unknown): string | null {
  const parsed = wireCreatedAuthConfig.safeParse(body);
  return parsed.success ? parsed.data : null;
}

const wireLink = z.object({
  connected_account_id: optionalText,
  // Composio spells it so in its older answers and callbacks.
  connectedAccountId: optionalText,
  redirect_url: text,
  expires_at: optionalText,
});

export function toConnectLink(body: unknown): ConnectLink | null {
  const parsed = wireLink.safeParse(body);
  if (!parsed.success) return null;
  const { redirect_url: redirectUrl, expires_at: expiresAt } = parsed.data;
  const accountId = parsed.data.connected_account_id ?? parsed.data.connectedAccountId;
  if (!accountId) return null;
  return { accountId, redirectUrl, expiresAt: expiresAt ?? null };
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
