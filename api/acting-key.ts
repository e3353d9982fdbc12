/** Which key asked for what, as the audit log keeps it. */
import type { ActingKey } from '../db/audit-log.ts';
import type { Principal } from './auth.ts';

export function actingKey({
  principal,
  requestId,
}: {
  readonly principal: Principal;
  readonly requestId: string;
}): ActingKey {
  return { keyId: principal.keyId, keyName: principal.keyName ?? null, requestId };
}
