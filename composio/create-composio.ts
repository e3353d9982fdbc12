/** Makes the port to Composio: one per process, shared by all activities. What belongs to one user is made by `forEntity` and dropped. */
import { createArgumentChecker } from './arguments.ts';
import { createAuthConfigResolver } from './auth-config.ts';
import { createCatalogue } from './catalogue.ts';
import { createClient } from './client.ts';
import { createEntity } from './composio-core.ts';
import type { ComposioPort } from './port.ts';
import { loadSdk } from './sdk-import.ts';
import type { Shared } from './shared.ts';
import { createTransport } from './transport.ts';

/** Whole time of one request that reads; a page of 100 accounts takes well under a second when Composio is well. */
const READ_MS = 10_000;
/** Whole time of one request that makes or deletes something; those talk to a provider now and then. */
const WRITE_MS = 20_000;

export type ComposioConfig = {
  readonly apiKey: string;
  /** Origin, and a path if a gateway needs one; with or without `/api/v3.1`. */
  readonly baseUrl: string;
  /** Auth config ids by app. */
  readonly authConfigs: ReadonlyMap<string, string>;
  readonly sdk: 'composio-core';
  /** Milliseconds. An execution's deadline comes with each call. */
  readonly deadlines?: { readonly readMs?: number; readonly writeMs?: number };
  /** A fault on purpose, for the test that must notice it. Only a worker outside production may set it. */
  readonly sabotage?: 'skip-scope';
};

/** Takes addresses and keys, contacts nobody. @throws RangeError for an empty key or an address that is none. */
export function createComposio(config: ComposioConfig): ComposioPort & {
  /** Loads the SDK ahead of the first call (0.4 to 0.8 s of CPU): for a worker's start. */
  preload(): Promise<void>;
} {
  const { apiKey, authConfigs, deadlines = {} } = config;
  const writeMs = deadlines.writeMs ?? WRITE_MS;
  const transport = createTransport({ apiKey, baseUrl: config.baseUrl });
  const client = createClient(transport, { readMs: deadlines.readMs ?? READ_MS, writeMs });
  const catalogue = createCatalogue(client);
  const shared: Shared = {
    apiKey,
    transport,
    client,
    catalogue,
    argumentChecker: createArgumentChecker(),
    offered: new WeakMap(),
    loadSdk,
    writeMs,
    sabotage: config.sabotage ?? null,
  };
  return {
    forEntity: (entityId) => createEntity(shared, entityId),
    getTools: async (slugs, options) => await catalogue.getTools(slugs, options),
    checkArguments: (tool, args) => shared.argumentChecker.check(tool, args),
    getToolkit: async (app, options) => await catalogue.getToolkit(app, options),
    listConnections: async (query, options) => await client.listConnections(query, options),
    getConnection: async (accountId, options) => await client.getConnection(accountId, options),
    resolveAuthConfig: createAuthConfigResolver(client, authConfigs),
    ping: async (options) => await client.ping(options),
    preload: async () => {
      await loadSdk();
    },
  };
}
