/** Which tools count as reads: by their tags at Composio, unless the operator says otherwise. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createComposio } from '../../composio/create-composio.ts';
import { createComposioSandbox } from '../../sandbox/composio/server.ts';

let sandbox: Awaited<ReturnType<typeof createComposioSandbox>>;
beforeAll(async () => {
  sandbox = await createComposioSandbox({});
});
afterAll(() => sandbox.close());

const SLUGS = ['SLACK_SEND_MESSAGE', 'SLACK_LIST_CHANNELS', 'GMAIL_SEND_EMAIL'];
async function effects(toolEffects?: ReadonlyMap<string, 'read' | 'write'>) {
  const composio = createComposio({
    apiKey: 'sandbox-composio-key',
    baseUrl: sandbox.url,
    authConfigs: new Map(),
    sdk: 'composio-core',
    ...(toolEffects ? { toolEffects } : {}),
  });
  const tools = await composio.getTools(SLUGS);
  return tools.map(({ readOnly }) => (readOnly ? 'read' : 'write'));
}

test('a tool tagged readOnlyHint is a read, any other a write', async () => {
  expect(await effects()).toEqual(['write', 'read', 'write']);
});

test('what the operator says holds, in both directions, and for no other tool', async () => {
  const said = new Map([
    ['SLACK_SEND_MESSAGE', 'read'],
    ['SLACK_LIST_CHANNELS', 'write'],
  ] as const);
  expect(await effects(said)).toEqual(['read', 'write', 'write']);
});
