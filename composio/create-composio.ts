/** Makes the port to Composio: one per process, shared by all activities. What belongs to one user is made by `forEntity` and dropped. */
import type { ToolEffect } from '../domain/tool.ts';
import { createArgumentChecker } from './arguments.ts';
import { atComposioCoreSdk } from './at-composio-core.ts';
import { createAuthConfigResolver } from './auth-config.ts';
import { createCatalogue } from './catalogue.ts';
import { createClient } from './client.ts';
import { composioCoreSdk } from './composio-core.ts';
import { createEntity } from './entity.ts';
import type { RequestClass } from '../domain/request-budget.ts';
import type { ComposioPort } from './port.ts';
import type { RequestBudget } from './request-budget.ts';
import type { SdkName, SdkPort } from './sdk-port.ts';
import type { Shared } from './shared.ts';
import { createTransport } from './transport.ts';

/** Whole time of one request that reads; a page of 100 accounts takes well under a second when Composio is well. */
const READ_MS = 10_000;
/** Whole time of one request that makes or deletes something; those talk to a provider now and then. */
const WRITE_MS = 20_000;

/** Neither loads its package before it is used. */
const SDKS: Readonly<Record<SdkName, SdkPort>> = {
  'composio-core': composioCoreSdk,
  '@composio/core': atComposioCoreSdk,
};

export type ComposioConfig = {
  readonly apiKey: string;
  /** Origin, and a path if a gateway needs one; with or without `/api/v3.1`. */
  readonly baseUrl: string;
  /** Auth config ids by app. */
  readonly authConfigs: ReadonlyMap<string, string>;
  /** What the operator says that a tool does, by slug, whatever its tags say. */
  readonly toolEffects?: ReadonlyMap<string, ToolEffect>;
  readonly sdk: SdkName;
  /** The organisation's; every request takes a permit from it. Absent: nobody counts, which only a single look may do. */
  readonly budget?: RequestBudget;
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
  const budget = config.budget ?? null;
  const wireOf = (requestClass: RequestClass) => {
    const transport = createTransport({ apiKey, baseUrl: config.baseUrl, budget, requestClass });
    return { transport, client: createClient(transport, { readMs: deadlines.readMs ?? READ_MS, writeMs }) };
  };
  const wire = wireOf('runs');
  const sdk = SDKS[config.sdk];
  const shared: Shared = {
    apiKey,
    ...wire,
    // What is read once for all is read for runs; an auth config is looked for when somebody connects.
    catalogue: createCatalogue(wire.client, config.toolEffects),
    argumentChecker: createArgumentChecker(),
    offered: new WeakMap(),
    sdk,
    writeMs,
    sabotage: config.sabotage ?? null,
  };
  const resolveAuthConfig = createAuthConfigResolver(wireOf('flows').client, authConfigs);
  const withClass = (requestClass: RequestClass): ComposioPort =>
    createPort({ ...shared, ...wireOf(requestClass) }, { resolveAuthConfig, withClass });
  return {
    ...createPort(shared, { resolveAuthConfig, withClass }),
    preload: () => sdk.preload(),
  };
}

function createPort(
  shared: Shared,
  common: Pick<ComposioPort, 'resolveAuthConfig' | 'withClass'>,
): ComposioPort {
  const { catalogue, client } = shared;
  return {
    ...common,
    forEntity: (entityId) => createEntity(shared, entityId),
    getTools: async (slugs, options) => await catalogue.getTools(slugs, options),
    checkArguments: (tool, args) => shared.argumentChecker.check(tool, args),
    getToolkit: async (app, options) => await catalogue.getToolkit(app, options),
    listConnections: async (query, options) => await client.listConnections(query, options),
    getConnection: async (accountId, options) => await client.getConnection(accountId, options),
    ping: async (options) => await client.ping(options),
  };
}
