/** Which handler answers which path below `/api/v3` and `/api/v3.1`. Route names are what fault rules and the request log use. */
import type { Handler } from '../api-request.ts';
import { createAuthConfig, deleteAuthConfig, getAuthConfig, listAuthConfigs } from './auth-configs.ts';
import { createAccount, createLink } from './connect.ts';
import {
  completeAuth,
  deleteAccount,
  getAccount,
  listAccounts,
  refreshAccount,
  revokeAccount,
  setAccountEnabled,
} from './connected-accounts.ts';
import { executeTool } from './execute.ts';
import { getToolkit, listToolkits } from './toolkits.ts';
import { getTool, listTools } from './tools.ts';
import {
  changeSubscription,
  createSubscription,
  deleteSubscription,
  getSubscription,
  listSubscriptions,
  rotateSubscriptionSecret,
} from './webhook-subscriptions.ts';

export type Route = {
  readonly name: string;
  readonly method: string;
  /** `*` is the variable segment. */
  readonly path: string;
  readonly handler: Handler;
};

// Fixed segments stand before variable ones of the same length: the first that fits is taken.
export const ROUTES: readonly Route[] = [
  { name: 'tools.list', method: 'GET', path: 'tools', handler: listTools },
  { name: 'tools.get', method: 'GET', path: 'tools/*', handler: getTool },
  { name: 'tools.execute', method: 'POST', path: 'tools/execute/*', handler: executeTool },
  { name: 'toolkits.list', method: 'GET', path: 'toolkits', handler: listToolkits },
  { name: 'toolkits.get', method: 'GET', path: 'toolkits/*', handler: getToolkit },
  { name: 'auth_configs.list', method: 'GET', path: 'auth_configs', handler: listAuthConfigs },
  { name: 'auth_configs.create', method: 'POST', path: 'auth_configs', handler: createAuthConfig },
  { name: 'auth_configs.get', method: 'GET', path: 'auth_configs/*', handler: getAuthConfig },
  { name: 'auth_configs.delete', method: 'DELETE', path: 'auth_configs/*', handler: deleteAuthConfig },
  { name: 'accounts.list', method: 'GET', path: 'connected_accounts', handler: listAccounts },
  { name: 'accounts.create', method: 'POST', path: 'connected_accounts', handler: createAccount },
  { name: 'accounts.link', method: 'POST', path: 'connected_accounts/link', handler: createLink },
  {
    name: 'accounts.complete_auth',
    method: 'POST',
    path: 'connected_accounts/complete_auth',
    handler: completeAuth,
  },
  { name: 'accounts.get', method: 'GET', path: 'connected_accounts/*', handler: getAccount },
  { name: 'accounts.delete', method: 'DELETE', path: 'connected_accounts/*', handler: deleteAccount },
  {
    name: 'accounts.status',
    method: 'PATCH',
    path: 'connected_accounts/*/status',
    handler: setAccountEnabled,
  },
  { name: 'accounts.refresh', method: 'POST', path: 'connected_accounts/*/refresh', handler: refreshAccount },
  { name: 'accounts.revoke', method: 'POST', path: 'connected_accounts/*/revoke', handler: revokeAccount },
  { name: 'webhooks.list', method: 'GET', path: 'webhook_subscriptions', handler: listSubscriptions },
  { name: 'webhooks.create', method: 'POST', path: 'webhook_subscriptions', handler: createSubscription },
  { name: 'webhooks.get', method: 'GET', path: 'webhook_subscriptions/*', handler: getSubscription },
  { name: 'webhooks.change', method: 'PATCH', path: 'webhook_subscriptions/*', handler: changeSubscription },
  { name: 'webhooks.delete', method: 'DELETE', path: 'webhook_subscriptions/*', handler: deleteSubscription },
  {
    name: 'webhooks.rotate_secret',
    method: 'POST',
    path: 'webhook_subscriptions/*/rotate_secret',
    handler: rotateSubscriptionSecret,
  },
];

type Compiled = { readonly route: Route; readonly segments: readonly string[] };
const byShape = new Map<string, Compiled[]>();
for (const route of ROUTES) {
  const segments = route.path.split('/');
  const shape = `${route.method} ${segments.length}`;
  byShape.set(shape, [...(byShape.get(shape) ?? []), { route, segments }]);
}

/** `path` is below the version prefix and starts with a slash. Null when no route fits. */
export function findRoute(
  method: string,
  path: string,
): { readonly route: Route; readonly id: string } | null {
  const given = path.slice(1).split('/');
  for (const { route, segments } of byShape.get(`${method} ${given.length}`) ?? []) {
    if (!segments.every((segment, at) => (segment === '*' ? given[at] !== '' : segment === given[at])))
      continue;
    const variable = segments.indexOf('*');
    return { route, id: variable < 0 ? '' : decode(given[variable] ?? '') };
  }
  return null;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
