/** The adapter by @composio/core passes the port's conformance suite, and offers the same tools as the one by composio-core. */
import { expect, it } from 'vitest';
import { createComposio } from '../../composio/create-composio.ts';
import { allTools } from '../../sandbox/composio/catalogue/catalogue.ts';
import { DEFAULT_API_KEY } from '../../sandbox/composio/options.ts';
import { createComposioSandbox } from '../../sandbox/composio/server.ts';
import { describeComposioPort } from './conformance.ts';

describeComposioPort('@composio/core', (config) => createComposio({ ...config, sdk: '@composio/core' }));

it('shows a model the same tools as composio-core does, every one of the sandbox', async () => {
  const sandbox = await createComposioSandbox();
  const slugs = [...allTools()].map(({ definition }) => definition.slug);
  const config = { apiKey: DEFAULT_API_KEY, baseUrl: sandbox.url, authConfigs: new Map() };
  const [one, other] = await Promise.all(
    (['composio-core', '@composio/core'] as const).map((sdk) =>
      createComposio({ ...config, sdk })
        .forEntity('alice')
        .tools(slugs),
    ),
  );
  await sandbox.close();
  expect(one?.length).toBeGreaterThan(15);
  expect(other).toEqual(one);
});
