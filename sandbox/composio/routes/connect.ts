/** Opening connections: `POST /connected_accounts/link`, and the older `POST /connected_accounts`. */
import type { JsonObject } from '../../../domain/json.ts';
import type { ApiRequest, Handler } from '../api-request.ts';
import { json, memberObject, optionalText, requiredText } from '../api-request.ts';
import type { Account } from '../state/account.ts';
import type { AuthConfig } from '../state/auth-configs.ts';
import type { Link } from '../state/links.ts';
import type { SandboxState } from '../state/sandbox-state.ts';
import { authConfigNotFound, badRequest, managedInitiateRetired } from '../wire-error.ts';

export const createLink: Handler = (state, request) => {
  const config = usableAuthConfig(state, requiredText(request.body, 'auth_config_id'));
  const userId = requiredText(request.body, 'user_id');
  const callbackUrl = checkedCallback(request.body);
  const account = state.accounts.create({
    userId,
    toolkit: config.toolkit,
    authConfigId: config.id,
    status: state.settings.freshStatus,
    alias: optionalText(request.body, 'alias'),
  });
  const { link, redirectUrl } = mintLink(state, account, { callbackUrl, style: 'link' });
  return json(201, {
    link_token: link.token,
    redirect_url: redirectUrl,
    expires_at: new Date(link.expiresAt).toISOString(),
    connected_account_id: account.id,
  });
};

/** Refused for Composio-managed OAuth, as at Composio since 2026; still there for custom OAuth and API keys. */
export const createAccount: Handler = (state, request) => {
  const configId = optionalText(memberObject(request.body['auth_config']), 'id');
  if (configId === null) throw badRequest('auth_config.id is required');
  const config = usableAuthConfig(state, configId);
  const connection = memberObject(request.body['connection']);
  const userId = requiredText(connection, 'user_id');
  if (config.isComposioManaged && config.authScheme === 'OAUTH2') throw managedInitiateRetired();
  return config.authScheme === 'API_KEY'
    ? connectWithKey(state, { config, userId, connection })
    : initiateOauth(state, { config, userId, connection });
};

function connectWithKey(
  state: SandboxState,
  { config, userId, connection }: { config: AuthConfig; userId: string; connection: JsonObject },
): ReturnType<Handler> {
  const given = memberObject(memberObject(connection['state'])['val']);
  if (optionalText(given, 'api_key') === null && optionalText(given, 'generic_api_key') === null) {
    throw badRequest('connection.state.val.api_key is required');
  }
  const account = state.accounts.create({
    userId,
    toolkit: config.toolkit,
    authConfigId: config.id,
    status: 'ACTIVE',
    alias: optionalText(connection, 'alias'),
  });
  return json(201, {
    id: account.id,
    connectionData: { authScheme: 'API_KEY', val: { status: account.status } },
  });
}

function initiateOauth(
  state: SandboxState,
  { config, userId, connection }: { config: AuthConfig; userId: string; connection: JsonObject },
): ReturnType<Handler> {
  const callbackUrl = checkedCallback(connection);
  const account = state.accounts.create({
    userId,
    toolkit: config.toolkit,
    authConfigId: config.id,
    status: state.settings.freshStatus,
    alias: optionalText(connection, 'alias'),
  });
  const { redirectUrl } = mintLink(state, account, { callbackUrl, style: 'initiate' });
  return json(201, {
    id: account.id,
    connectionData: { authScheme: 'OAUTH2', val: { status: account.status, redirectUrl } },
  });
}

export function mintLink(
  state: SandboxState,
  account: Account,
  { callbackUrl, style }: Pick<Link, 'callbackUrl' | 'style'>,
): { readonly link: Link; readonly redirectUrl: string } {
  const expiresAt = Date.now() + state.settings.linkTtlMs;
  const link = state.links.create({ accountId: account.id, callbackUrl, style, expiresAt });
  return { link, redirectUrl: `${state.publicUrl}/link/${link.token}` };
}

function usableAuthConfig(state: SandboxState, id: ApiRequest['id']): AuthConfig {
  const config = state.authConfigs.get(id);
  if (!config) throw authConfigNotFound(id);
  if (config.isDisabled) throw badRequest(`Auth config ${id} is disabled`);
  return config;
}

/** @throws WireError 400 unless it is absent or an http(s) address. */
function checkedCallback(body: JsonObject): string | null {
  const given = optionalText(body, 'callback_url');
  if (given === null) return null;
  const url = URL.parse(given);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw badRequest('callback_url is not a valid URL');
  return given;
}
