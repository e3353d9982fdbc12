/**
 * A fault put in on purpose, for one test only: it proves that the isolation test can fail. It does what a toolset shared by all
 * users does: the first ACTIVE account of the app acts, whoever it belongs to. Never on in production.
 */
import type { Tool } from '../domain/tool.ts';
import type { ComposioClient } from './client.ts';
import { ComposioFailure } from './failure.ts';
import type { Scope } from './scope.ts';

/** The scope of whoever comes first. Names that account's owner too, so that a server which checks ownership is deceived as well. */
export async function scopeOfAnybody(client: ComposioClient, tool: Tool, entityId: string): Promise<Scope> {
  if (tool.noAuth) return { entityId, accountId: null };
  const page = await client.listConnections({ apps: [tool.app], statuses: ['ACTIVE'] });
  const account = page.items.find((a) => a.app === tool.app && a.status === 'ACTIVE');
  if (!account)
    throw new ComposioFailure('nobody is connected', { kind: 'not_connected', outcome: 'not_sent' });
  return { entityId: account.entityId, accountId: account.id };
}
