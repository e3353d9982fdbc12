/**
 * The only importer of composio-core, because importing it carelessly leaks: its telemetry spawns `node` children with the API
 * key and tool arguments on their command line (and kills the process where no `node` is on PATH), every construction asks the
 * npm registry, and its file helpers read the disk and fetch any address. All of that is off before a toolset can be made.
 */
import { createRequire } from 'node:module';

/** What this project uses of a toolset, by hand: the package's own types drag in those of five frameworks. */
export type ToolSet = {
  readonly entityId: string;
  readonly client: { getEntity(entityId: string): SdkEntity };
  readonly backendClient: {
    getAxiosInstance(): SdkAxios;
    /** The SDK's HTTP client; `axios` is its option for what carries its requests. */
    readonly instance: { setConfig(config: { axios: SdkSend }): unknown };
  };
  internalProcessors: { pre: unknown[]; post: unknown[]; schema: unknown[] };
  getTools(filters: { actions: string[] }, entityId: string): Promise<unknown[]>;
  executeAction(call: {
    action: string;
    params: Record<string, unknown>;
    entityId: string;
    connectedAccountId?: string;
  }): Promise<{ successful?: unknown; error?: unknown }>;
};
export type SdkEntity = {
  initiateConnection(call: {
    integrationId: string;
    redirectUri: string;
  }): Promise<{ connectedAccountId?: unknown }>;
};
/** What carries one request of the SDK: an axios instance, or what stands before it. */
export type SdkSend = (request: SdkRequest) => Promise<SdkResponse>;
export type SdkAxios = SdkSend & {
  readonly interceptors: {
    readonly request: { use(onRequest: (config: SdkRequest) => SdkRequest | Promise<SdkRequest>): unknown };
  };
};
/** An axios request on its way out. */
export type SdkRequest = {
  method?: string;
  url?: string;
  baseURL?: string;
  params?: unknown;
  data?: unknown;
  headers: { delete(name: string): unknown; get(name: string): unknown };
  adapter?: SdkSend;
};
export type SdkResponse = {
  data: unknown;
  status: number;
  statusText: string;
  headers: object;
  config: SdkRequest;
};

export type Sdk = {
  /** A toolset of one entity. Never kept: it is built for one call and dropped. */
  createToolSet(config: { apiKey: string; baseUrl: string; entityId: string }): ToolSet;
};

let loading: Promise<Sdk> | undefined;

/** Loads the SDK once per process: 0.4 to 0.8 s and 50 MB, so worker start is the moment for it. */
export function loadSdk(): Promise<Sdk> {
  loading ??= load().catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load(): Promise<Sdk> {
  // Both are read by the SDK itself: the first at each event, the second at import. It compares with exactly this text.
  process.env.TELEMETRY_DISABLED = 'true';
  process.env.COMPOSIO_LOGGING_LEVEL = 'silent';
  const { Composio, OpenAIToolSet } = await import('composio-core');
  const composio = Composio.prototype as unknown as { checkForLatestVersionFromNPM(): Promise<void> };
  composio.checkForLatestVersionFromNPM = async () => undefined;
  forbidGlobalAxios();
  return {
    createToolSet({ apiKey, baseUrl, entityId }) {
      // Each one left out falls back to an environment variable, a file in the home directory, or the shared entity `default`.
      if (apiKey === '' || baseUrl === '' || entityId === '' || entityId === 'default') {
        throw new RangeError('a toolset needs a key, a base URL and an entity');
      }
      const toolset = new OpenAIToolSet({
        apiKey,
        baseUrl,
        entityId,
        allowTracing: false,
      }) as unknown as ToolSet;
      // pre: uploads local files named by arguments; post: downloads addresses named by results; schema: offers both to the model.
      toolset.internalProcessors = { pre: [], post: [], schema: [] };
      return toolset;
    },
  };
}

/** The SDK's version check and file helpers use its global axios; its API calls use an instance of their own. */
function forbidGlobalAxios(): void {
  const sdkPath = createRequire(import.meta.url).resolve('composio-core');
  const axios = createRequire(sdkPath)('axios') as SdkAxios;
  axios.interceptors.request.use(() => {
    throw new Error('composio-core may not use the global HTTP client');
  });
}
