/**
 * Carries composio-core's v1/v2 calls over to v3.1, on one toolset's own axios instance: each request that the SDK wants to make
 * meets a route or is refused, and no route leaves but through our transport. What the SDK only wants to look up is answered
 * here from what the caller has verified already. What a route throws comes out unchanged: the SDK turns most HTTP errors into
 * bare TypeErrors, so nothing that it throws is ever read.
 */
import { ComposioFailure } from './failure.ts';
import type { SdkRequest, SdkResponse, ToolSet } from './sdk-import.ts';

export type BridgeRoute = {
  readonly method: 'get' | 'post';
  /** Answers from memory. Such a request is not even given to axios, whose machinery costs 0.15 ms of CPU each time. */
  readonly isLookUp?: true;
  /** Path of the SDK's request; its groups are the decoded segments. */
  readonly path: RegExp;
  /** The v1/v2 body that the SDK gets. */
  answer(request: {
    readonly segments: readonly string[];
    readonly body: unknown;
    /** The entity that the toolset was built with. */
    readonly entityId: string;
    /** What the SDK says about itself, for Composio's logs. */
    readonly headers: Readonly<Record<string, string>>;
  }): unknown;
};

/** The key is the transport's to add; anything else that the SDK would send stays here. */
const PASSED_HEADERS = ['x-source', 'x-runtime', 'x-request-id'] as const;

export type Bridge = {
  /** Runs SDK code on the bridged toolset. Throws what a route threw, else a failure that says the SDK refused. */
  run<T>(work: (toolset: ToolSet) => Promise<T>): Promise<T>;
};

export function bridge(toolset: ToolSet, baseUrl: string, routes: readonly BridgeRoute[]): Bridge {
  const thrown: { readonly error: unknown }[] = [];
  const axios = toolset.backendClient.getAxiosInstance();

  async function answer(request: SdkRequest, match: Match | null, body: unknown): Promise<SdkResponse> {
    try {
      if (thrown[0]) throw thrown[0].error;
      if (!match) throw notAllowed();
      const { route, segments } = match;
      const headers = route.isLookUp ? {} : passedHeaders(request);
      const data = await route.answer({ segments, body, headers, entityId: toolset.entityId });
      return { data, status: 200, statusText: 'OK', headers: {}, config: request };
    } catch (error) {
      thrown.push({ error });
      // The SDK's own interceptor writes on the error that it sees: it gets this one, and the caller gets the real one.
      throw new Error('stopped by the bridge', { cause: error });
    }
  }

  axios.interceptors.request.use((request) => {
    // The SDK's second copy of the API key, under a header name that no gateway redacts.
    request.headers.delete('common');
    const match = findRoute(routes, baseUrl, request);
    const body = request.data;
    request.adapter = async (final) => await answer(final, match, body);
    return request;
  });
  toolset.backendClient.instance.setConfig({
    axios: async (request) => {
      const match = findRoute(routes, baseUrl, request);
      return match?.route.isLookUp ? await answer(request, match, undefined) : await axios(request);
    },
  });

  return {
    async run(work) {
      const outcome = await work(toolset).then(
        (result) => ({ result }),
        (error: unknown) => ({ error }),
      );
      if (thrown[0]) throw thrown[0].error;
      if ('error' in outcome) throw refusedBySdk(outcome.error);
      return outcome.result;
    },
  };
}

type Match = { readonly route: BridgeRoute; readonly segments: readonly string[] };

/** Only relative paths of the configured base URL have a route: the SDK can name no other host. */
function findRoute(routes: readonly BridgeRoute[], baseUrl: string, request: SdkRequest): Match | null {
  const path = request.url ?? '';
  if (request.baseURL !== baseUrl || !path.startsWith('/api/')) return null;
  for (const route of routes) {
    const match = request.method === route.method ? route.path.exec(path) : null;
    if (match) return { route, segments: match.slice(1).map(decodeURIComponent) };
  }
  return null;
}

function notAllowed(): ComposioFailure {
  return new ComposioFailure('composio-core asked for something that this adapter does not allow', {
    kind: 'rejected',
    outcome: 'not_sent',
  });
}

function passedHeaders({ headers }: SdkRequest): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const name of PASSED_HEADERS) {
    const value = headers.get(name);
    if (typeof value === 'string') passed[name] = value;
  }
  return passed;
}

function refusedBySdk(cause: unknown): ComposioFailure {
  return new ComposioFailure('composio-core refused the call before it was sent', {
    kind: 'rejected',
    outcome: 'not_sent',
    cause,
  });
}
