/** Control routes that plant, change and delete accounts, auth configs and links. */
import { isConnectionStatus } from './api-request.ts';
import { findToolkit } from './catalogue/catalogue.ts';
import type { ControlAnswer, ControlCall } from './control-call.ts';
import type { AccountChange, AccountSeed, AccountSeries, SandboxAccount } from './control-types.ts';
import { addAuthConfig } from './routes/auth-configs.ts';
import type { Account } from './state/account.ts';
import type { SandboxState } from './state/sandbox-state.ts';
import { accountNotFound, badRequest } from './wire-error.ts';

export function accountRoutes(call: ControlCall): ControlAnswer {
  const { state, method, segments, query, body } = call;
  const [group, id, action] = segments;
  if (group === 'accounts' && id === undefined) {
    if (method === 'GET') return { status: 200, value: { items: findAccounts(state, query) } };
    if (method === 'POST')
      return { status: 201, value: { items: seed(state, body as readonly AccountSeed[]) } };
  }
  if (group === 'account-series' && method === 'POST') {
    return { status: 201, value: { count: seedSeries(state, body as AccountSeries) } };
  }
  if (group === 'accounts' && id !== undefined && action === undefined) return oneAccount(call, id);
  if (group === 'auth-configs' && id !== undefined && method === 'PUT') {
    return { status: 200, value: putAuthConfig(state, id, body) };
  }
  if (group === 'links' && id !== undefined && action === 'expire' && method === 'POST') {
    return { status: 200, value: { expired: expireLinks(state, id) } };
  }
  return undefined;
}

function oneAccount({ state, method, body }: ControlCall, id: string): ControlAnswer {
  const account = state.accounts.get(id);
  if (!account) throw accountNotFound(id);
  if (method === 'GET') return { status: 200, value: show(account) };
  if (method === 'DELETE') {
    state.accounts.delete(id);
    return { status: 200, value: { success: true } };
  }
  if (method !== 'PATCH') return undefined;
  const { status, statusReason, disabled, alias, accountName, revokedAtProvider } = body as AccountChange;
  if (status !== undefined && !isConnectionStatus(status)) throw badRequest('unknown status');
  state.accounts.update(account, {
    // A status that a test sets must not be overtaken by an activation that was still pending.
    ...(status === undefined ? {} : { status, activatesAt: null }),
    ...(statusReason === undefined ? {} : { statusReason }),
    ...(disabled === undefined ? {} : { disabled }),
    ...(alias === undefined ? {} : { alias }),
    ...(accountName === undefined ? {} : { accountName }),
    ...(revokedAtProvider === undefined ? {} : { revokedAtProvider }),
  });
  return { status: 200, value: show(account) };
}

function findAccounts(state: SandboxState, query: URLSearchParams): readonly SandboxAccount[] {
  const userId = query.get('user_id');
  const app = query.get('app');
  const status = query.get('status');
  return [...(userId === null ? state.accounts.all() : state.accounts.ofUser(userId))]
    .filter((account) => app === null || account.toolkit === app)
    .filter((account) => status === null || account.status === status)
    .map(show);
}

function seed(state: SandboxState, seeds: readonly AccountSeed[]): readonly SandboxAccount[] {
  if (!Array.isArray(seeds)) throw badRequest('a list of accounts is needed');
  return (seeds as readonly AccountSeed[]).map((one) => {
    if (one.status !== undefined && !isConnectionStatus(one.status)) throw badRequest('unknown status');
    const account = state.accounts.create({
      userId: one.userId,
      toolkit: one.app,
      authConfigId: one.authConfigId ?? authConfigOf(state, one.app),
      status: one.status ?? 'ACTIVE',
      ...(one.statusReason === undefined ? {} : { statusReason: one.statusReason }),
      ...(one.accountName === undefined ? {} : { accountName: one.accountName }),
      ...(one.disabled === undefined ? {} : { disabled: one.disabled }),
      ...(one.id === undefined ? {} : { id: one.id }),
      ...(one.createdAt === undefined ? {} : { createdAt: one.createdAt }),
    });
    return show(account);
  });
}

function seedSeries(state: SandboxState, series: AccountSeries): number {
  const authConfigId = authConfigOf(state, series.app);
  // One instant for all: a million distinct ones would reach far into the future.
  const createdAt = new Date().toISOString();
  for (let at = 0; at < series.count; at += 1) {
    const isSpecial = series.every !== undefined && at % series.every === 0;
    state.accounts.create({
      userId: `${series.userIdPrefix}${at}`,
      toolkit: series.app,
      authConfigId,
      status: (isSpecial ? series.everyStatus : undefined) ?? series.status ?? 'ACTIVE',
      createdAt,
    });
  }
  return series.count;
}

/** The newest enabled auth config of the app, or a new one. @throws WireError 400 for an app that is not in the catalogue. */
function authConfigOf(state: SandboxState, app: string): string {
  const known = state.authConfigs.list(app).find((config) => !config.isDisabled);
  if (known) return known.id;
  const toolkit = findToolkit(app);
  if (!toolkit) throw badRequest(`unknown app ${app}`);
  return addAuthConfig(state, toolkit, { isComposioManaged: true, authScheme: 'OAUTH2' }).id;
}

/** Makes an auth config with a chosen id, or disables or enables a known one. */
function putAuthConfig(state: SandboxState, id: string, body: unknown): unknown {
  const { app, disabled } = body as { readonly app?: string; readonly disabled?: boolean };
  const known = state.authConfigs.get(id);
  const toolkit = findToolkit(app ?? known?.toolkit ?? '');
  if (!toolkit) throw badRequest('unknown app');
  const config =
    known ?? addAuthConfig(state, toolkit, { id, isComposioManaged: true, authScheme: 'OAUTH2' });
  if (disabled !== undefined) config.isDisabled = disabled;
  state.changed();
  return config;
}

/** By link token or account id. */
function expireLinks(state: SandboxState, tokenOrAccount: string): number {
  const one = state.links.get(tokenOrAccount);
  const links = one ? [one] : state.links.ofAccount(tokenOrAccount);
  for (const link of links) state.links.expire(link);
  return links.length;
}

function show(account: Account): SandboxAccount {
  return {
    id: account.id,
    userId: account.userId,
    app: account.toolkit,
    authConfigId: account.authConfigId,
    status: account.status,
    statusReason: account.statusReason,
    disabled: account.disabled,
    accountName: account.accountName,
    revokedAtProvider: account.revokedAtProvider,
    createdAt: account.createdAt,
    updatedAt: account.updatedAt,
  };
}
