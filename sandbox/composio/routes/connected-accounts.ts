/** Reading, changing and deleting connected accounts. Opening new ones is in connect.ts. */
import type { Handler } from '../api-request.ts';
import { json, limitParam, listParam, requiredText, statusesParam } from '../api-request.ts';
import type { Account } from '../state/account.ts';
import { accountToWire } from '../state/account.ts';
import type { SandboxState } from '../state/sandbox-state.ts';
import { accountNotFound, badRequest, WireError } from '../wire-error.ts';
import { mintLink } from './connect.ts';

const DEFAULT_LIMIT = 20;

export const listAccounts: Handler = (state, request) => {
  const { query } = request;
  const orderBy = query.get('order_by') ?? 'created_at';
  if (orderBy !== 'created_at' && orderBy !== 'updated_at') throw badRequest('Invalid order_by');
  const direction = query.get('order_direction') ?? 'desc';
  if (direction !== 'asc' && direction !== 'desc') throw badRequest('Invalid order_direction');
  const page = state.accountPages.page({
    ids: listParam(query, 'connected_account_ids'),
    userIds: listParam(query, 'user_ids'),
    authConfigIds: listParam(query, 'auth_config_ids'),
    toolkits: listParam(query, 'toolkit_slugs')?.map((slug) => slug.toLowerCase()) ?? null,
    statuses: statusesParam(query),
    orderBy: orderBy === 'created_at' ? 'createdAt' : 'updatedAt',
    descending: direction === 'desc',
    limit: Math.min(limitParam(query, DEFAULT_LIMIT), state.settings.maxPageSize),
    cursor: query.get('cursor') || null,
  });
  return json(200, {
    items: page.items.map((account) => wire(state, account)),
    next_cursor: page.nextCursor,
    total_pages: page.totalPages,
    current_page: page.currentPage,
    total_items: page.totalItems,
  });
};

export const getAccount: Handler = (state, request) => json(200, wire(state, existing(state, request.id)));

export const deleteAccount: Handler = (state, request) => {
  if (!state.accounts.delete(request.id)) throw accountNotFound(request.id);
  return json(200, { success: true });
};

/** `PATCH …/{id}/status {enabled}` */
export const setAccountEnabled: Handler = (state, request) => {
  const account = existing(state, request.id);
  const { enabled } = request.body;
  if (typeof enabled !== 'boolean') throw badRequest('enabled must be a boolean');
  const status = enabled ? (account.status === 'INACTIVE' ? 'ACTIVE' : account.status) : 'INACTIVE';
  state.accounts.update(account, { disabled: !enabled, status });
  return json(200, { success: true });
};

/** Deprecated at Composio, and it turns an ACTIVE account into INITIATED: kept because a client that calls it must notice. */
export const refreshAccount: Handler = (state, request) => {
  const account = existing(state, request.id);
  const callbackUrl = request.query.get('redirect_url');
  state.accounts.update(account, { status: 'INITIATED', statusReason: null, activatesAt: null });
  const link = mintLink(state, account, { callbackUrl, style: 'link' });
  return json(200, { id: account.id, status: account.status, redirect_url: link.redirectUrl });
};

export const revokeAccount: Handler = (state, request) => {
  const account = existing(state, request.id);
  state.accounts.update(account, {
    status: 'REVOKED',
    statusReason: 'Revoked by the API',
    activatesAt: null,
  });
  return json(200, { id: account.id, status: account.status });
};

/** Verifier mode: the integrator says whose consent it was, and only then does the account become ACTIVE. */
export const completeAuth: Handler = (state, request) => {
  const userId = requiredText(request.body, 'user_id');
  const sessionUri = requiredText(request.body, 'session_uri');
  const account = [...state.accounts.inStatus('INITIATED')].find((a) => a.sessionUri === sessionUri);
  if (!account) throw badRequest('The session_uri is unknown or used');
  // A session is used up by a wrong guess too: it proves one consent, for one answer.
  const isOwner = account.userId === userId;
  state.accounts.update(account, {
    sessionUri: null,
    status: isOwner ? 'ACTIVE' : 'FAILED',
    statusReason: isOwner ? null : 'Verified for a different user',
  });
  if (!isOwner) {
    throw new WireError('The session belongs to a different user', {
      status: 403,
      code: 1822,
      slug: 'ConnectedAccount_UserMismatch',
    });
  }
  return json(200, { connected_account_id: account.id, status: account.status });
};

function existing(state: SandboxState, id: string): Account {
  const account = state.accounts.get(id);
  if (!account) throw accountNotFound(id);
  return account;
}

function wire(state: SandboxState, account: Account): Record<string, unknown> {
  return accountToWire(account, state.authConfigs.get(account.authConfigId));
}
