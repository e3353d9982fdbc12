/** Mints a connect link for one entity through the SDK, by v3.1's `connected_accounts/link`. */
import { createAsk } from './client.ts';
import { ComposioFailure } from './failure.ts';
import type { CallOptions, ConnectLink } from './port.ts';
import { assertSameScope } from './scope.ts';
import type { Shared } from './shared.ts';
import { placeOf } from './shared.ts';
import type { WireRequest } from './transport.ts';
import { toConnectLink } from './wire.ts';

export async function connect(
  shared: Shared,
  entityId: string,
  { authConfigId, callbackUrl }: { app: string; authConfigId: string; callbackUrl: string },
  options: CallOptions | undefined,
): Promise<ConnectLink> {
  const links: ConnectLink[] = [];
  await shared.sdk.link(placeOf(shared), { entityId, authConfigId, callbackUrl }, async (sent) => {
    assertSameScope({ entityId: sent.entityId, accountId: null }, { entityId, accountId: null });
    if (links.length > 0) throw refuse('the SDK tried to mint two links');
    const wire = {
      auth_config_id: sent.authConfigId,
      user_id: sent.entityId,
      callback_url: sent.callbackUrl,
    };
    const link = await mint(shared, { headers: sent.headers, body: JSON.stringify(wire) }, options);
    links.push(link);
    return link;
  });
  // Taken from the wire: the SDK's own result has no expiry.
  const [link] = links;
  if (!link) throw refuse('the SDK minted no link');
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

function refuse(message: string): ComposioFailure {
  return new ComposioFailure(message, { kind: 'rejected', outcome: 'not_sent' });
}
