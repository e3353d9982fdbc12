/** Mints a connect link for one entity through the SDK's initiateConnection, carried over to v3.1's `connected_accounts/link`. */
import { createAsk } from './client.ts';
import { ComposioFailure } from './failure.ts';
import type { CallOptions, ConnectLink } from './port.ts';
import { assertSameScope } from './scope.ts';
import type { Shared } from './shared.ts';
import { bridgedToolSet } from './shared.ts';
import type { WireRequest } from './transport.ts';
import type { BridgeRoute } from './v3-bridge.ts';
import { toConnectLink } from './wire.ts';

/** The part of the SDK's v2 body that has a meaning on v3.1. */
type InitiateBody = {
  readonly app: { readonly integrationId?: string };
  readonly connection: { readonly entityId?: string; readonly extra: { readonly redirectURL?: string } };
};

export async function connect(
  shared: Shared,
  entityId: string,
  { authConfigId, callbackUrl }: { app: string; authConfigId: string; callbackUrl: string },
  options: CallOptions | undefined,
): Promise<ConnectLink> {
  const links: ConnectLink[] = [];
  const route: BridgeRoute = {
    method: 'post',
    path: /^\/api\/v2\/connectedAccounts\/initiateConnection$/,
    async answer({ body, entityId: toolsetEntityId, headers }) {
      const { app, connection } = body as InitiateBody;
      assertSameScope(
        { entityId: connection.entityId ?? '', accountId: null },
        { entityId, accountId: null },
      );
      assertSameScope({ entityId: toolsetEntityId, accountId: null }, { entityId, accountId: null });
      const wire = {
        auth_config_id: app.integrationId,
        user_id: connection.entityId,
        callback_url: connection.extra.redirectURL,
      };
      const link = await mint(shared, { headers, body: JSON.stringify(wire) }, options);
      links.push(link);
      const connectionResponse = {
        connectionStatus: 'INITIATED',
        connectedAccountId: link.accountId,
        redirectUrl: link.redirectUrl,
      };
      return { connectionResponse };
    },
  };
  const bridge = await bridgedToolSet(shared, entityId, [route]);
  await bridge.run(
    async (toolset) =>
      await toolset.client
        .getEntity(entityId)
        .initiateConnection({ integrationId: authConfigId, redirectUri: callbackUrl }),
  );
  // Taken from the wire: the SDK's own result has no expiry.
  const [link] = links;
  if (!link) {
    throw new ComposioFailure('composio-core minted no link', { kind: 'rejected', outcome: 'not_sent' });
  }
  return link;
}

async function mint(
  shared: Shared,
  wire: Pick<WireRequest, 'headers' | 'body'>,
  options: CallOptions | undefined,
): Promise<ConnectLink> {
  const answer = await createAsk(shared.transport)(
    {
      method: 'POST',
      path: '/connected_accounts/link',
      ...wire,
      timeoutMs: shared.writeMs,
      signal: options?.signal,
    },
    'effect',
  );
  const link = toConnectLink(answer);
  if (link) return link;
  throw new ComposioFailure("Composio's answer has no link in it", { kind: 'transient', outcome: 'unknown' });
}
