/**
 * The only importer of @composio/core, and only when COMPOSIO_SDK asks for it. Left to its defaults it tells a telemetry host which
 * methods are called, asks the npm registry for newer versions, takes SIGINT and SIGTERM, reads versions and headers from the
 * environment, and repeats requests. All of that is off before an instance can be made.
 */
import type { BridgeFetch } from './at-composio-core-bridge.ts';

/** What this project uses of an instance, by hand: the package's own types drag in those of `openai` and zod. */
export type AtSdk = {
  readonly tools: {
    get(userId: string, filters: { tools: string[] }): Promise<unknown>;
    execute(
      slug: string,
      call: {
        userId: string;
        connectedAccountId?: string;
        arguments: Record<string, unknown>;
        version?: string;
        dangerouslySkipVersionCheck?: boolean;
        allowTracing: false;
      },
    ): Promise<unknown>;
  };
  readonly connectedAccounts: {
    link(
      userId: string,
      authConfigId: string,
      options: { callbackUrl: string; allowMultiple: true },
    ): Promise<unknown>;
  };
  getClient(): { fetch: BridgeFetch; maxRetries: number };
};

export type AtSdkModule = {
  /** An instance for one call. It can send nothing but through `fetch`. */
  create(config: { apiKey: string; baseUrl: string; fetch: BridgeFetch }): AtSdk;
};

let loading: Promise<AtSdkModule> | undefined;

/** Loads the SDK once per process: about 0.4 s and 40 MB, so worker start is the moment for it. */
export function loadAtSdk(): Promise<AtSdkModule> {
  loading ??= load().catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load(): Promise<AtSdkModule> {
  // Read at import. It logs for people at a terminal, bodies included when it is told to debug; `error` is what both of its
  // loggers know and neither has anything to say at.
  process.env.COMPOSIO_LOG_LEVEL = 'error';
  process.env.TELEMETRY_DISABLED = 'true';
  const { Composio } = await import('@composio/core');
  return {
    create({ apiKey, baseUrl, fetch }) {
      // Each one left out falls back to an environment variable or a file in the home directory.
      if (apiKey === '' || baseUrl === '') throw new RangeError('the SDK needs a key and a base URL');
      const sdk = new Composio({
        apiKey,
        baseURL: baseUrl,
        allowTracking: false,
        disableVersionCheck: true,
        dangerouslyAllowAutoUploadDownloadFiles: false,
        // A text keeps COMPOSIO_TOOLKIT_VERSION_… out; the version that was checked is named with each call.
        toolkitVersions: 'latest',
      }) as unknown as AtSdk;
      const client = sdk.getClient();
      // Its own option for this is not passed on by the SDK's constructor. A version that keeps it elsewhere must not go around us.
      if (typeof client.fetch !== 'function') throw new TypeError('@composio/core has no fetch to replace');
      client.fetch = fetch;
      client.maxRetries = 0;
      return sdk;
    },
  };
}
