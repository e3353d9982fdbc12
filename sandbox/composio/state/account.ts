/** A connected account as the sandbox keeps it, and as Composio's v3.1 API shows it. */
import type { ConnectionStatus } from '../../../domain/statuses.ts';
import type { AuthConfig } from './auth-configs.ts';

export type Account = {
  readonly id: string;
  readonly userId: string;
  /** Toolkit slug, lower case. */
  readonly toolkit: string;
  readonly authConfigId: string;
  status: ConnectionStatus;
  statusReason: string | null;
  disabled: boolean;
  alias: string | null;
  /** Whom the user signed in as at the provider; shows in tool results, so tests can use it as a canary. */
  accountName: string;
  /** The provider has dropped the grant while Composio still says ACTIVE: executions answer `successful: false`. */
  revokedAtProvider: boolean;
  readonly createdAt: string;
  updatedAt: string;
  /** Epoch milliseconds at which a consented account turns ACTIVE; null when nothing is pending. */
  activatesAt: number | null;
  /** Epoch milliseconds of the consent; null for an account that was planted. */
  consentedAt: number | null;
  /** Single-use proof that `complete_auth` takes in verifier mode. */
  sessionUri: string | null;
};

const ADJECTIVES = ['amber', 'brisk', 'calm', 'dapper', 'early', 'fond', 'gentle', 'hazel'] as const;
const NOUNS = ['otter', 'maple', 'harbor', 'finch', 'meadow', 'comet', 'birch', 'lantern'] as const;

/** Composio's readable id, such as `gmail_brisk-otter`; derived, so that it survives a restart. */
function wordId(account: Account): string {
  let sum = 0;
  for (const character of account.id) sum = (sum * 31 + character.charCodeAt(0)) >>> 0;
  return `${account.toolkit}_${ADJECTIVES[sum % 8] ?? 'amber'}-${NOUNS[(sum >>> 3) % 8] ?? 'otter'}`;
}

/** The `state.val` of an account; tokens are masked to their first four characters, as the live API does. */
function stateValue(account: Account, scopes: readonly string[]): Record<string, unknown> {
  if (account.status === 'INITIATED' || account.status === 'INITIALIZING') return { status: account.status };
  return {
    status: account.status,
    access_token: 'sbx_...',
    refresh_token: 'sbx_...',
    token_type: 'Bearer',
    expires_in: 3600,
    scope: scopes.join(' '),
    account: account.accountName,
  };
}

/** One item of `GET /connected_accounts`, which is also the answer of `GET /connected_accounts/{id}`. */
export function accountToWire(account: Account, authConfig: AuthConfig | undefined): Record<string, unknown> {
  const authScheme = authConfig?.authScheme ?? 'OAUTH2';
  const value = stateValue(account, authConfig?.scopes ?? []);
  return {
    id: account.id,
    user_id: account.userId,
    status: account.status,
    status_reason: account.statusReason,
    toolkit: { slug: account.toolkit },
    auth_config: {
      id: account.authConfigId,
      auth_scheme: authScheme,
      is_composio_managed: authConfig?.isComposioManaged ?? true,
      is_disabled: authConfig?.isDisabled ?? false,
    },
    is_disabled: account.disabled,
    state: { authScheme, val: value },
    data: value,
    word_id: wordId(account),
    alias: account.alias,
    created_at: account.createdAt,
    updated_at: account.updatedAt,
    deprecated: { labels: [] },
  };
}
