/**
 * Stands where @composio/core's client has its fetch, for one call: each request that the SDK wants to make meets a route or is
 * refused, and no route leaves but through our transport. What a route throws comes out unchanged: the SDK would wrap it, retry it
 * or make another error of it, so nothing that it throws is ever read.
 */
import { ComposioFailure } from './failure.ts';
import type { SdkHeaders } from './sdk-port.ts';

export type BridgeFetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

export type FetchRoute = {
  readonly method: 'GET' | 'POST';
  /** Path below `/api/v3.1`; its groups are the decoded segments. */
  readonly path: RegExp;
  /** The v3.1 body that the SDK gets. */
  answer(request: {
    readonly segments: readonly string[];
    readonly query: URLSearchParams;
    readonly body: unknown;
    readonly headers: SdkHeaders;
  }): unknown;
};

export type FetchBridge = {
  readonly fetch: BridgeFetch;
  /** Runs SDK code. Throws what a route threw, else a failure that says the SDK refused. */
  run<T>(work: () => Promise<T>): Promise<T>;
};

/** The key is the transport's to add; anything else that the SDK or its environment would send stays here. */
const PASSED_HEADERS = ['x-framework', 'x-source', 'x-runtime', 'x-sdk-version'] as const;

export function fetchBridge(baseUrl: string, routes: readonly FetchRoute[]): FetchBridge {
  const thrown: { readonly error: unknown }[] = [];

  async function answer(url: URL, init: RequestInit): Promise<unknown> {
    if (thrown[0]) throw thrown[0].error;
    const match = findRoute(routes, baseUrl, url, init.method ?? 'GET');
    if (!match) throw notAllowed();
    const body: unknown = typeof init.body === 'string' ? JSON.parse(init.body) : undefined;
    const { route, segments } = match;
    return await route.answer({
      segments,
      query: url.searchParams,
      body,
      headers: passedHeaders(init.headers),
    });
  }

  return {
    fetch: async (url, init = {}) => {
      try {
        return Response.json(await answer(new URL(url), init));
      } catch (error) {
        thrown.push({ error });
        // The SDK would ask again after most answers and after every error; this header is its servers' way to say no.
        return Response.json({}, { status: 400, headers: { 'x-should-retry': 'false' } });
      }
    },
    async run(work) {
      const outcome = await work().then(
        (result) => ({ result }),
        (error: unknown) => ({ error }),
      );
      if (thrown[0]) throw thrown[0].error;
      if ('error' in outcome) throw refusedBySdk(outcome.error);
      return outcome.result;
    },
  };
}

type Match = { readonly route: FetchRoute; readonly segments: readonly string[] };

/** Only paths of the configured base URL have a route: the SDK can name no other host. */
function findRoute(routes: readonly FetchRoute[], baseUrl: string, url: URL, method: string): Match | null {
  const root = new URL(`${baseUrl}/api/v3.1`);
  if (url.origin !== root.origin || !url.pathname.startsWith(`${root.pathname}/`)) return null;
  const path = url.pathname.slice(root.pathname.length);
  for (const route of routes) {
    const match = method.toUpperCase() === route.method ? route.path.exec(path) : null;
    if (match) return { route, segments: match.slice(1).map(decodeURIComponent) };
  }
  return null;
}

function passedHeaders(sent: RequestInit['headers']): SdkHeaders {
  const headers = new Headers(sent);
  return Object.fromEntries(
    PASSED_HEADERS.flatMap((name) => {
      const value = headers.get(name);
      return value === null ? [] : [[name, value]];
    }),
  );
}

function notAllowed(): ComposioFailure {
  return new ComposioFailure('@composio/core asked for something that this adapter does not allow', {
    kind: 'rejected',
    outcome: 'not_sent',
  });
}

function refusedBySdk(cause: unknown): ComposioFailure {
  return new ComposioFailure('@composio/core refused the call before it was sent', {
    kind: 'rejected',
    outcome: 'not_sent',
    cause,
  });
}
