/** Which auth config an app is connected with: the configured one, else the newest enabled at Composio, else a new Composio-managed one. */
import type { ComposioClient } from './client.ts';
import { createCoalescer } from './coalesce.ts';
import type { CallOptions } from './port.ts';

export type ResolveAuthConfig = (app: string, options?: CallOptions) => Promise<string>;

export function createAuthConfigResolver(
  client: ComposioClient,
  configured: ReadonlyMap<string, string>,
): ResolveAuthConfig {
  // Two users who connect a new app at the same moment must not create two auth configs for it.
  const shared = createCoalescer<string>();
  const byApp = new Map([...configured].map(([app, id]) => [app.toLowerCase(), id]));

  async function findOrCreate(app: string): Promise<string> {
    const enabled = (await client.listAuthConfigs(app)).filter((config) => config.enabled);
    const newest = enabled.reduce<(typeof enabled)[number] | null>(
      (best, config) => (best === null || config.createdAt > best.createdAt ? config : best),
      null,
    );
    return newest?.id ?? (await client.createManagedAuthConfig(app));
  }

  return async (app, options) => {
    const slug = app.toLowerCase();
    return byApp.get(slug) ?? (await shared(slug, () => findOrCreate(slug), options?.signal));
  };
}
