/** What all entities of one port share. Nothing in it belongs to one of them, and none of it may learn an entity's id for longer than a call. */
import type { ArgumentChecker } from './arguments.ts';
import type { Catalogue } from './catalogue.ts';
import type { ComposioClient } from './client.ts';
import type { Tool } from '../domain/tool.ts';
import { ComposioFailure } from './failure.ts';
import type { OpenAiTool } from './port.ts';
import type { Sdk } from './sdk-import.ts';
import type { Transport } from './transport.ts';
import type { Bridge, BridgeRoute } from './v3-bridge.ts';
import { bridge } from './v3-bridge.ts';

export type Shared = {
  readonly apiKey: string;
  readonly transport: Transport;
  readonly client: ComposioClient;
  readonly catalogue: Catalogue;
  readonly argumentChecker: ArgumentChecker;
  /** What the SDK makes of a catalogue entry for the model; lives as long as the entry. */
  readonly offered: WeakMap<Tool, OpenAiTool>;
  readonly loadSdk: () => Promise<Sdk>;
  /** Deadline of minting a link, milliseconds. */
  readonly writeMs: number;
  readonly sabotage: 'skip-scope' | null;
};

/** A new toolset of this entity, bridged to these routes and nothing else. */
export async function bridgedToolSet(
  { loadSdk, apiKey, transport }: Shared,
  entityId: string,
  routes: readonly BridgeRoute[],
): Promise<Bridge> {
  const sdk = await loadSdk().catch((cause: unknown) => {
    throw new ComposioFailure('composio-core cannot be loaded', {
      kind: 'config',
      outcome: 'not_sent',
      cause,
    });
  });
  const toolset = sdk.createToolSet({ apiKey, baseUrl: transport.baseUrl, entityId });
  return bridge(toolset, transport.baseUrl, routes);
}
