/** What all entities of one port share. Nothing in it belongs to one of them, and none of it may learn an entity's id for longer than a call. */
import type { ArgumentChecker } from './arguments.ts';
import type { Catalogue } from './catalogue.ts';
import type { ComposioClient } from './client.ts';
import type { Tool } from '../domain/tool.ts';
import type { OpenAiTool } from './port.ts';
import type { SdkPlace, SdkPort } from './sdk-port.ts';
import type { Transport } from './transport.ts';

export type Shared = {
  readonly apiKey: string;
  readonly transport: Transport;
  readonly client: ComposioClient;
  readonly catalogue: Catalogue;
  readonly argumentChecker: ArgumentChecker;
  /** What the SDK makes of a catalogue entry for the model; lives as long as the entry. */
  readonly offered: WeakMap<Tool, OpenAiTool>;
  readonly sdk: SdkPort;
  /** Deadline of minting a link, milliseconds. */
  readonly writeMs: number;
  readonly sabotage: 'skip-scope' | null;
};

/** Where the SDK is told that Composio is. */
export function placeOf({ apiKey, transport }: Shared): SdkPlace {
  return { apiKey, baseUrl: transport.baseUrl };
}
