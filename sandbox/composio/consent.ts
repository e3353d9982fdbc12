/**
 * What happens on the consent page: the provider's side of a connection. Approve makes the account ACTIVE (soon, at
 * once, or after verification), Deny makes it FAILED, and the browser goes back to the callback of the link.
 */
import type { ServerResponse } from 'node:http';
import { findToolkit } from './catalogue/catalogue.ts';
import { consentPage, endPage, gonePage } from './consent-page.ts';
import { send } from './http-io.ts';
import type { Account } from './state/account.ts';
import { nanoId } from './state/ids.ts';
import { isOpenLink, type Link } from './state/links.ts';
import type { SandboxState } from './state/sandbox-state.ts';

// The page loads nothing and runs nothing; a form target is not restricted, for it redirects to the integrator.
const PAGE_HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
} as const;

export function showConsent(state: SandboxState, token: string, response: ServerResponse): void {
  const open = openLink(state, token);
  if (!open) return sendPage(response, 410, gonePage());
  const toolkit = findToolkit(open.account.toolkit);
  const page = consentPage({
    app: toolkit?.name ?? open.account.toolkit,
    consents: toolkit?.consents ?? [],
    userId: open.account.userId,
    suggestedName: suggestedName(open.account),
    returnsTo: open.link.callbackUrl === null ? null : new URL(open.link.callbackUrl).host,
  });
  sendPage(response, 200, page);
}

export function decideConsent(
  state: SandboxState,
  { token, form, response }: { token: string; form: URLSearchParams; response: ServerResponse },
): void {
  const open = openLink(state, token);
  if (!open) return sendPage(response, 410, gonePage());
  const decision = form.get('decision');
  if (decision !== 'approve' && decision !== 'deny')
    return sendPage(response, 400, endPage('Nothing was decided', ''));
  const { account, link } = open;
  state.links.settle(link, decision === 'approve' ? 'approved' : 'denied');
  if (decision === 'approve') state.accounts.update(account, { consentedAt: Date.now() });
  if (decision === 'approve') approve(state, account, form.get('account')?.trim() || suggestedName(account));
  else {
    state.accounts.update(account, {
      status: 'FAILED',
      statusReason: 'The user denied access',
      activatesAt: null,
    });
  }
  const app = findToolkit(account.toolkit)?.name ?? account.toolkit;
  const title = decision === 'approve' ? `${app} is connected` : `${app} was not connected`;
  if (link.callbackUrl === null) return sendPage(response, 200, endPage(title, 'You can close this window.'));
  if (dropsCallback(state)) {
    return sendPage(response, 200, endPage(title, 'The way back was lost on purpose: no redirect was sent.'));
  }
  const target = callbackTarget(link, account, decision === 'approve' ? 'success' : 'failed');
  send(response, {
    status: 302,
    body: '',
    type: 'text/html',
    headers: { ...PAGE_HEADERS, Location: target },
  });
}

function approve(state: SandboxState, account: Account, accountName: string): void {
  if (state.settings.callbackVerifier) {
    state.accounts.update(account, {
      accountName,
      status: 'INITIATED',
      sessionUri: `composio-session:${nanoId('', 32)}`,
    });
  } else if (state.settings.activeDelayMs > 0) {
    state.accounts.update(account, {
      accountName,
      status: 'INITIATED',
      activatesAt: Date.now() + state.settings.activeDelayMs,
    });
  } else {
    state.accounts.update(account, { accountName, status: 'ACTIVE', statusReason: null });
  }
}

/** The callback with our parameters behind the ones it has; a fragment stays last. */
function callbackTarget(link: Link, account: Account, status: 'success' | 'failed'): string {
  const url = new URL(link.callbackUrl ?? '');
  const added = new URLSearchParams(
    link.style === 'link'
      ? { status, connected_account_id: account.id }
      : { status, connectedAccountId: account.id, appName: account.toolkit },
  );
  if (account.sessionUri !== null) added.set('session_uri', account.sessionUri);
  // The existing query is kept letter by letter: a state may be signed over its exact text.
  url.search = url.search === '' ? added.toString() : `${url.search}&${added.toString()}`;
  return url.href;
}

function openLink(
  state: SandboxState,
  token: string,
): { readonly link: Link; readonly account: Account } | null {
  const link = state.links.get(token);
  if (!link || !isOpenLink(link, Date.now())) return null;
  const account = state.accounts.get(link.accountId);
  return account ? { link, account } : null;
}

function dropsCallback(state: SandboxState): boolean {
  const { settings } = state;
  if (settings.dropCallbacks === 0) return false;
  if (settings.dropCallbacks > 0) settings.dropCallbacks -= 1;
  return true;
}

function suggestedName(account: Account): string {
  return account.userId.includes('@') ? account.userId : `${account.userId}@example.test`;
}

function sendPage(response: ServerResponse, status: number, body: string): void {
  send(response, { status, body, type: 'text/html; charset=utf-8', headers: PAGE_HEADERS });
}
