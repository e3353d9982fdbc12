/** `GET, POST /auth_configs` and `GET, DELETE /auth_configs/{id}`. */
import type { Handler } from '../api-request.ts';
import { json, limitParam, memberObject, optionalText } from '../api-request.ts';
import { findToolkit } from '../catalogue/catalogue.ts';
import type { ToolkitDefinition } from '../catalogue/tool-definition.ts';
import type { AuthConfig } from '../state/auth-configs.ts';
import { authConfigToWire } from '../state/auth-configs.ts';
import type { SandboxState } from '../state/sandbox-state.ts';
import { authConfigNotFound, badRequest, toolkitNotFound } from '../wire-error.ts';

const DEFAULT_LIMIT = 20;

export const listAuthConfigs: Handler = (state, request) => {
  const toolkit = request.query.get('toolkit_slug')?.toLowerCase() || null;
  const managed = request.query.get('is_composio_managed');
  const showDisabled = request.query.get('show_disabled') !== 'false';
  const all = state.authConfigs
    .list(toolkit)
    .filter((config) => showDisabled || !config.isDisabled)
    .filter((config) => managed === null || config.isComposioManaged === (managed === 'true'));
  const limit = limitParam(request.query, DEFAULT_LIMIT);
  const start = Number(request.query.get('cursor') ?? '0');
  if (!Number.isInteger(start) || start < 0) throw badRequest('Invalid cursor');
  const end = Math.min(start + limit, all.length);
  return json(200, {
    items: all
      .slice(start, end)
      .map((config) => authConfigToWire(config, state.accounts.countOfAuthConfig(config.id))),
    next_cursor: end < all.length ? String(end) : null,
    total_items: all.length,
    total_pages: Math.ceil(all.length / limit),
    current_page: Math.floor(start / limit) + 1,
  });
};

export const getAuthConfig: Handler = (state, request) => {
  const config = state.authConfigs.get(request.id);
  if (!config) throw authConfigNotFound(request.id);
  return json(200, authConfigToWire(config, state.accounts.countOfAuthConfig(config.id)));
};

export const createAuthConfig: Handler = (state, request) => {
  const slug = optionalText(memberObject(request.body['toolkit']), 'slug');
  if (slug === null) throw badRequest('toolkit.slug is required');
  const toolkit = findToolkit(slug);
  if (!toolkit) throw toolkitNotFound(slug);
  if (toolkit.noAuth) throw badRequest(`Toolkit ${slug} needs no auth config`);
  const asked = memberObject(request.body['auth_config']);
  const type = optionalText(asked, 'type') ?? 'use_composio_managed_auth';
  if (type !== 'use_composio_managed_auth' && type !== 'use_custom_auth')
    throw badRequest('Invalid auth_config.type');
  const isComposioManaged = type === 'use_composio_managed_auth';
  const scheme = optionalText(asked, 'authScheme') ?? optionalText(asked, 'auth_scheme') ?? 'OAUTH2';
  if (scheme !== 'OAUTH2' && scheme !== 'API_KEY') throw badRequest(`Unsupported auth scheme ${scheme}`);
  const config = addAuthConfig(state, toolkit, {
    isComposioManaged,
    authScheme: isComposioManaged ? 'OAUTH2' : scheme,
    name: optionalText(asked, 'name'),
  });
  return json(201, {
    toolkit: { slug: toolkit.slug },
    auth_config: {
      id: config.id,
      auth_scheme: config.authScheme,
      is_composio_managed: config.isComposioManaged,
    },
  });
};

export const deleteAuthConfig: Handler = (state, request) => {
  if (!state.authConfigs.delete(request.id)) throw authConfigNotFound(request.id);
  state.changed();
  return json(200, { success: true });
};

export function addAuthConfig(
  state: SandboxState,
  toolkit: ToolkitDefinition,
  details: Pick<AuthConfig, 'isComposioManaged' | 'authScheme'> & {
    readonly id?: string;
    readonly name?: string | null;
  },
): AuthConfig {
  const config = state.authConfigs.create({
    ...(details.id === undefined ? {} : { id: details.id }),
    name: details.name ?? `${toolkit.slug}-auth-config`,
    toolkit: toolkit.slug,
    authScheme: details.authScheme,
    isComposioManaged: details.isComposioManaged,
    isDisabled: false,
    scopes: [...new Set(toolkit.tools.flatMap((tool) => tool.scopes))],
  });
  state.changed();
  return config;
}
