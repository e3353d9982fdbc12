/**
 * The SDK port by @composio/core: a new instance for every call, whose fetch is ours (at-composio-core-bridge.ts). It speaks v3.1
 * itself, so a route here is either answered from what the caller has verified, or carried as it is.
 */
import type { Tool } from '../domain/tool.ts';
import type { AtSdk } from './at-composio-core-import.ts';
import { loadAtSdk } from './at-composio-core-import.ts';
import type { FetchRoute } from './at-composio-core-bridge.ts';
import { fetchBridge } from './at-composio-core-bridge.ts';
import { ComposioFailure } from './failure.ts';
import type { ConnectLink, OpenAiTool } from './port.ts';
import type { SdkPlace, SdkPort, SentCall, SentLink } from './sdk-port.ts';

type Offer = { readonly type: 'function'; readonly function: Omit<OpenAiTool['function'], 'parameters'> };
type LinkBody = {
  readonly auth_config_id?: string;
  readonly user_id?: string;
  readonly callback_url?: string;
};
type ExecuteBody = {
  readonly user_id?: string;
  readonly connected_account_id?: string;
  readonly arguments?: unknown;
};

export const atComposioCoreSdk: SdkPort = {
  preload: async () => {
    await load();
  },
  async offer(place, entityId, tools) {
    const slugs = tools.map((tool) => tool.slug);
    const offers = (await withSdk(place, [offering(tools)], (sdk) =>
      sdk.tools.get(entityId, { tools: slugs }),
    )) as readonly Offer[];
    // The SDK parses schemas by a list of keywords of its own: it drops what it does not know, and refuses all tools for one of
    // them. Arguments are checked against the catalogue's schema, so that is the one to show.
    const schemas = new Map(tools.map((tool) => [tool.slug, tool.parameters]));
    return offers.flatMap((offer) => {
      const parameters = schemas.get(offer.function.name);
      return parameters ? [{ ...offer, function: { ...offer.function, parameters } }] : [];
    });
  },
  async link(place, { entityId, authConfigId, callbackUrl }, carry) {
    // Whether there is an ACTIVE account already was the caller's question; here one more is wanted.
    const options = { callbackUrl, allowMultiple: true } as const;
    await withSdk(place, [noAccounts(entityId, authConfigId), minting(carry)], (sdk) =>
      sdk.connectedAccounts.link(entityId, authConfigId, options),
    );
  },
  async execute(place, { tool, arguments: args, scope: { entityId, accountId } }, carry) {
    await withSdk(place, [lookUp(tool), sending(carry)], (sdk) =>
      sdk.tools.execute(tool.slug, {
        userId: entityId,
        arguments: args,
        allowTracing: false,
        ...(accountId === null ? {} : { connectedAccountId: accountId }),
        // A tool without a version is executed in its latest one, whatever that is: there is none that was checked.
        ...(tool.version === null ? { dangerouslySkipVersionCheck: true } : { version: tool.version }),
      }),
    );
  },
};

async function load() {
  return await loadAtSdk().catch((cause: unknown) => {
    throw new ComposioFailure('@composio/core cannot be loaded', {
      kind: 'config',
      outcome: 'not_sent',
      cause,
    });
  });
}

async function withSdk<T>(
  { apiKey, baseUrl }: SdkPlace,
  routes: readonly FetchRoute[],
  work: (sdk: AtSdk) => Promise<T>,
): Promise<T> {
  const loaded = await load();
  const bridge = fetchBridge(baseUrl, routes);
  const sdk = loaded.create({ apiKey, baseUrl, fetch: bridge.fetch });
  return await bridge.run(() => work(sdk));
}

/** A catalogue entry without its schema: with one, the SDK would rewrite arguments by it. */
const toItem = (tool: Tool) => ({
  slug: tool.slug,
  name: tool.slug,
  description: tool.description,
  toolkit: { slug: tool.app, name: tool.appName },
  tags: [],
  available_versions: [],
  no_auth: tool.noAuth,
  ...(tool.version === null ? {} : { version: tool.version }),
});

function offering(tools: readonly Tool[]): FetchRoute {
  const items = tools.map(toItem);
  return { method: 'GET', path: /^\/tools$/, answer: () => ({ items, next_cursor: null }) };
}

/** What the SDK asks before an execution. */
function lookUp(tool: Tool): FetchRoute {
  return {
    method: 'GET',
    path: /^\/tools\/([^/]+)$/,
    answer({ segments: [slug] }) {
      if (slug !== tool.slug) throw refuse('@composio/core asked about another tool');
      return toItem(tool);
    },
  };
}

/** What the SDK asks before a link. */
function noAccounts(entityId: string, authConfigId: string): FetchRoute {
  return {
    method: 'GET',
    path: /^\/connected_accounts$/,
    answer({ query }) {
      if (query.get('user_ids') !== entityId || query.get('auth_config_ids') !== authConfigId)
        throw refuse('@composio/core asked for the accounts of somebody else');
      return { items: [], next_cursor: null, total_pages: 0, current_page: 1, total_items: 0 };
    },
  };
}

function minting(carry: (sent: SentLink) => Promise<ConnectLink>): FetchRoute {
  return {
    method: 'POST',
    path: /^\/connected_accounts\/link$/,
    async answer({ body, headers }) {
      const { user_id: entityId = '', auth_config_id, callback_url } = body as LinkBody;
      const link = await carry({
        entityId,
        authConfigId: auth_config_id,
        callbackUrl: callback_url,
        headers,
      });
      return { connected_account_id: link.accountId, redirect_url: link.redirectUrl, link_token: '' };
    },
  };
}

function sending(
  carry: (sent: SentCall) => Promise<{ successful: boolean; error: string | null }>,
): FetchRoute {
  return {
    method: 'POST',
    path: /^\/tools\/execute\/([^/]+)$/,
    async answer({ segments: [slug = ''], body, headers }) {
      const { user_id: entityId = '', connected_account_id: accountId = null } = body as ExecuteBody;
      const { arguments: args } = body as ExecuteBody;
      const { successful, error } = await carry({ slug, entityId, accountId, arguments: args, headers });
      // The SDK would parse large results once more, and is given none.
      return { successful, error, data: {} };
    },
  };
}

function refuse(message: string): ComposioFailure {
  return new ComposioFailure(message, { kind: 'tenant_violation', outcome: 'not_sent' });
}
