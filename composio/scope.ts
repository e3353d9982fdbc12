/** Who may act with what: the last check before a tool call, and the second wall on the request itself. Pure. */
import type { ConnectedAccount } from '../domain/gate.ts';
import type { Tool } from '../domain/tool.ts';
import { ComposioFailure } from './failure.ts';
import type { ComposioFailureKind } from './failure.ts';

/** What goes on the wire as `user_id` and `connected_account_id`; no account for tools that need none. */
export type Scope = { readonly entityId: string; readonly accountId: string | null };

/** @throws ComposioFailure, outcome `not_sent`, unless the account is this entity's, this tool's app's, ACTIVE and not disabled. */
export function verifyScope(entityId: string, tool: Tool, account: ConnectedAccount | null): Scope {
  if (account === null) {
    if (!tool.noAuth) throw refuse('not_connected', `${tool.slug} needs a connected ${tool.app} account`);
    return { entityId, accountId: null };
  }
  if (account.entityId !== entityId)
    throw refuse('tenant_violation', 'the account belongs to another entity');
  if (account.app !== tool.app)
    throw refuse('tenant_violation', `the account is of ${account.app}, the tool of ${tool.app}`);
  if (account.status === 'EXPIRED')
    throw refuse('connection_expired', `the ${account.app} account has expired`);
  if (account.status !== 'ACTIVE' || account.disabled) {
    throw refuse(
      'not_connected',
      `the ${account.app} account is ${account.disabled ? 'disabled' : account.status}`,
    );
  }
  return { entityId, accountId: tool.noAuth ? null : account.id };
}

/** The second wall: whatever happened on the way through the SDK, the request must carry exactly what was verified. */
export function assertSameScope(sent: Scope, verified: Scope): void {
  if (sent.entityId !== verified.entityId || sent.accountId !== verified.accountId) {
    throw refuse('tenant_violation', 'the request would not act for the verified entity and account');
  }
}

function refuse(kind: ComposioFailureKind, message: string): ComposioFailure {
  return new ComposioFailure(message, { kind, outcome: 'not_sent' });
}
