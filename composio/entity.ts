/**
 * One user's scope: what the port does for one entity, through the SDK that was chosen. Made for one call and dropped. Reading
 * accounts is left to client.ts, whose header says why.
 */
import { isUserId } from '../domain/user-id.ts';
import { connect } from './connect.ts';
import { execute } from './execute.ts';
import { ComposioFailure } from './failure.ts';
import type { CallOptions, EntityComposio, OpenAiTool } from './port.ts';
import type { Shared } from './shared.ts';
import { placeOf } from './shared.ts';

/** @throws ComposioFailure kind `tenant_violation` for an id that could name nobody or everybody. */
export function createEntity(shared: Shared, entityId: string): EntityComposio {
  if (!isUserId(entityId)) {
    throw new ComposioFailure('not an entity id', { kind: 'tenant_violation', outcome: 'not_sent' });
  }
  return {
    entityId,
    tools: async (slugs, options) => await offerTools(shared, entityId, slugs, options),
    connections: async (apps, options) =>
      await shared.client.connectionsOf(entityId, apps && apps.map((app) => app.toLowerCase()), options),
    connect: async (request, options) => await connect(shared, entityId, request, options),
    execute: async (request) => await execute(shared, entityId, request),
    disconnect: async (accountId, options) => {
      const account = await shared.client.getConnection(accountId, options);
      if (account === null) return;
      if (account.entityId !== entityId) {
        throw new ComposioFailure('the account belongs to another entity', {
          kind: 'tenant_violation',
          outcome: 'not_sent',
        });
      }
      await shared.client.deleteConnection(accountId, options);
    },
  };
}

async function offerTools(
  shared: Shared,
  entityId: string,
  slugs: readonly string[],
  options: CallOptions | undefined,
): Promise<readonly OpenAiTool[]> {
  const tools = await shared.catalogue.getTools(slugs, options);
  const missing = tools.filter((tool) => !shared.offered.has(tool));
  if (missing.length > 0) {
    for (const offer of await shared.sdk.offer(placeOf(shared), entityId, missing)) {
      const tool = missing.find(({ slug }) => slug === offer.function.name);
      // Kept with the entry: a schema belongs to no user, the SDK's object that shaped it is dropped.
      if (tool) shared.offered.set(tool, offer);
    }
  }
  return tools.flatMap((tool) => shared.offered.get(tool) ?? []);
}
