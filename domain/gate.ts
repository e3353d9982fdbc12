/**
 * The connection gate: which of a user's accounts may act for an app, and what the user is told when none can.
 * Pure; the caller has read the accounts from Composio and the attempts from the database.
 */
import type { BrokenStatus, ConnectionStatus, GateReason } from './statuses.ts';
import { isBrokenStatus } from './statuses.ts';

/** One connected account as Composio shows it. `entityId` is Composio's `user_id`, `app` its toolkit slug. */
export type ConnectedAccount = {
  readonly id: string;
  readonly entityId: string;
  readonly app: string;
  readonly authConfigId: string | null;
  readonly status: ConnectionStatus;
  readonly statusReason: string | null;
  readonly disabled: boolean;
  /** RFC 3339 UTC. */
  readonly createdAt: string;
  readonly updatedAt: string;
};

/** What the database knows about accounts of one user and app that Composio does not. */
export type AccountKnowledge = {
  /** Accounts of connect attempts that were never accepted: somebody consented, we do not know who. They never act. */
  readonly unaccepted: ReadonlySet<string>;
  /** Accounts that Composio calls ACTIVE and with which an execution was refused: a flow that asks for another one is open. */
  readonly refused: ReadonlySet<string>;
  /** The account that the newest completed flow verified, if any. It is preferred while it is ACTIVE. */
  readonly lastVerified: string | null;
};

export type Resolution =
  | { readonly kind: 'ready'; readonly account: ConnectedAccount }
  | {
      readonly kind: 'needs_connection';
      readonly reason: GateReason;
      readonly account: ConnectedAccount | null;
    };

const REASON_OF: Readonly<Record<BrokenStatus, GateReason>> = {
  EXPIRED: 'expired',
  FAILED: 'failed',
  INACTIVE: 'inactive',
  REVOKED: 'revoked',
};

/**
 * Picks the account that acts for `entityId` in `app`: ours, of this app, ACTIVE, not disabled, not of an unaccepted
 * attempt, not refused lately; the last verified one first, else the newest. Without one, the reason is that of the newest broken account.
 */
export function resolveAccount(
  accounts: readonly ConnectedAccount[],
  { entityId, app, knowledge }: { entityId: string; app: string; knowledge: AccountKnowledge },
): Resolution {
  const mine = accounts
    .filter((a) => a.entityId === entityId && a.app === app && !knowledge.unaccepted.has(a.id))
    .sort((a, b) => b.createdAt.localeCompare(a.createdAt) || b.id.localeCompare(a.id));
  const usable = mine.filter((a) => a.status === 'ACTIVE' && !a.disabled && !knowledge.refused.has(a.id));
  const chosen = usable.find((a) => a.id === knowledge.lastVerified) ?? usable[0];
  if (chosen) return { kind: 'ready', account: chosen };
  for (const account of mine) {
    if (isBrokenStatus(account.status))
      return { kind: 'needs_connection', reason: REASON_OF[account.status], account };
    if (account.status !== 'ACTIVE') continue;
    return { kind: 'needs_connection', reason: account.disabled ? 'inactive' : 'revoked', account };
  }
  return { kind: 'needs_connection', reason: 'missing', account: null };
}

/** The sentence a user is shown, as the pattern that the product starts from has it (docs/origin.md). */
export function gateMessage(reason: GateReason, appName: string): string {
  return reason === 'missing'
    ? `Please connect your ${appName} account first in Settings > Integrations.`
    : `Your ${appName} connection has expired. Please reconnect in Settings > Integrations.`;
}
