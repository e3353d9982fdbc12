/**
 * The SDK port by composio-core's OpenAIToolSet: a new toolset for every call, with the entity's id, never kept. The SDK may not
 * choose an account, read a file, or reach any address; what it wants on v1 and v2 meets the routes here, by v3-bridge.ts.
 */
import type { Tool } from '../domain/tool.ts';
import { ComposioFailure } from './failure.ts';
import type { ConnectLink, OpenAiTool } from './port.ts';
import type { Scope } from './scope.ts';
import type { SdkPlace, SdkPort, SentCall, SentLink } from './sdk-port.ts';
import { loadSdk } from './sdk-import.ts';
import type { Bridge, BridgeRoute } from './v3-bridge.ts';
import { bridge } from './v3-bridge.ts';

/** The part of the SDK's v2 body that has a meaning on v3.1. */
type InitiateBody = {
  readonly app: { readonly integrationId?: string };
  readonly connection: { readonly entityId?: string; readonly extra: { readonly redirectURL?: string } };
};

export const composioCoreSdk: SdkPort = {
  preload: async () => {
    await loadSdk();
  },
  async offer(place, entityId, tools) {
    const bridged = await bridgedToolSet(place, entityId, [offering(tools)]);
    const actions = tools.map((tool) => tool.slug);
    return (await bridged.run((toolset) => toolset.getTools({ actions }, entityId))) as OpenAiTool[];
  },
  async link(place, { entityId, authConfigId, callbackUrl }, carry) {
    const bridged = await bridgedToolSet(place, entityId, [minting(entityId, carry)]);
    const call = { integrationId: authConfigId, redirectUri: callbackUrl };
    await bridged.run((toolset) => toolset.client.getEntity(entityId).initiateConnection(call));
  },
  async execute(place, { tool, arguments: params, scope }, carry) {
    const { entityId, accountId } = scope;
    const bridged = await bridgedToolSet(place, entityId, [...lookUps(tool, scope), sending(carry)]);
    const account = accountId === null ? {} : { connectedAccountId: accountId };
    await bridged.run((toolset) =>
      toolset.executeAction({ action: tool.slug, params, entityId, ...account }),
    );
  },
};

/** A new toolset of this entity, bridged to these routes and nothing else. */
async function bridgedToolSet(
  place: SdkPlace,
  entityId: string,
  routes: readonly BridgeRoute[],
): Promise<Bridge> {
  const sdk = await loadSdk().catch((cause: unknown) => {
    throw new ComposioFailure('composio-core cannot be loaded', {
      kind: 'config',
      outcome: 'not_sent',
      cause,
    });
  });
  return bridge(sdk.createToolSet({ ...place, entityId }), place.baseUrl, routes);
}

function offering(tools: readonly Tool[]): BridgeRoute {
  const items = tools.map((tool) => ({
    name: tool.slug,
    description: tool.description,
    appName: tool.app,
    parameters: tool.parameters,
  }));
  return { method: 'get', path: /^\/api\/v2\/actions$/, isLookUp: true, answer: () => ({ items }) };
}

function minting(entityId: string, carry: (sent: SentLink) => Promise<ConnectLink>): BridgeRoute {
  return {
    method: 'post',
    path: /^\/api\/v2\/connectedAccounts\/initiateConnection$/,
    async answer({ body, entityId: toolsetEntityId, headers }) {
      const { app, connection } = body as InitiateBody;
      if (toolsetEntityId !== entityId) throw refuse('the toolset is of another entity');
      const link = await carry({
        entityId: connection.entityId ?? '',
        authConfigId: app.integrationId,
        callbackUrl: connection.extra.redirectURL,
        headers,
      });
      const connectionResponse = {
        connectionStatus: 'INITIATED',
        connectedAccountId: link.accountId,
        redirectUrl: link.redirectUrl,
      };
      return { connectionResponse };
    },
  };
}

/** What the SDK asks before an execution. Each answer is of this call's tool and account only. */
function lookUps(tool: Tool, scope: Scope): BridgeRoute[] {
  return [
    {
      method: 'get',
      path: /^\/api\/v2\/actions\/([^/]+)$/,
      isLookUp: true,
      answer({ segments }) {
        assertAbout(segments, tool.slug);
        return { name: tool.slug, appKey: tool.app, appName: tool.app };
      },
    },
    {
      method: 'get',
      path: /^\/api\/v1\/apps\/([^/]+)$/,
      isLookUp: true,
      answer({ segments }) {
        assertAbout(segments, tool.app);
        return { key: tool.app, no_auth: scope.accountId === null };
      },
    },
    {
      method: 'get',
      path: /^\/api\/v1\/connectedAccounts\/([^/]+)$/,
      isLookUp: true,
      answer({ segments }) {
        assertAbout(segments, scope.accountId);
        return { id: scope.accountId, appName: tool.app, status: 'ACTIVE' };
      },
    },
  ];
}

function sending(
  carry: (sent: SentCall) => Promise<{ successful: boolean; error: string | null }>,
): BridgeRoute {
  return {
    method: 'post',
    path: /^\/api\/v2\/actions\/([^/]+)\/execute$/,
    async answer({ segments, body, entityId, headers }) {
      const { connectedAccountId, input } = body as { connectedAccountId?: string; input?: unknown };
      const accountId = connectedAccountId ?? null;
      const slug = segments[0] ?? '';
      const { successful, error } = await carry({ slug, entityId, accountId, arguments: input, headers });
      // The SDK would serialise large results twice, and is given none.
      return { successful, error, data: {} };
    },
  };
}

function assertAbout(segments: readonly string[], expected: string | null): void {
  if (segments[0] !== expected) throw refuse('composio-core asked about something else than this call');
}

function refuse(message: string): ComposioFailure {
  return new ComposioFailure(message, { kind: 'tenant_violation', outcome: 'not_sent' });
}
