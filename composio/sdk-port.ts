/**
 * What is done through an SDK of Composio's, whichever: offering tools, minting a link, executing. An SDK adapter builds the SDK's
 * object for one call, lets it make its requests, and hands the one that matters to `carry`, which checks and sends it. It answers
 * everything else that the SDK asks from what the caller gave it, keeps nothing, and contacts nobody itself.
 */
import type { JsonObject } from '../domain/json.ts';
import type { Tool } from '../domain/tool.ts';
import type { ConnectLink, ExecuteResult, OpenAiTool } from './port.ts';
import type { Scope } from './scope.ts';

export const SDK_NAMES = ['composio-core', '@composio/core'] as const;
export type SdkName = (typeof SDK_NAMES)[number];

/** Where the SDK is told that Composio is. No request goes there from the SDK itself. */
export type SdkPlace = { readonly apiKey: string; readonly baseUrl: string };

/** What the SDK says about itself, for Composio's logs. Never the key, which is the transport's to add. */
export type SdkHeaders = Readonly<Record<string, string>>;

/** An execution as the SDK would send it; whoever carries it compares it with what was verified. */
export type SentCall = Scope & {
  readonly slug: string;
  readonly arguments: unknown;
  readonly headers: SdkHeaders;
};
/** A connect link as the SDK would ask for it. */
export type SentLink = {
  readonly entityId: string;
  readonly authConfigId: string | undefined;
  readonly callbackUrl: string | undefined;
  readonly headers: SdkHeaders;
};

export type SdkPort = {
  /** Loads the SDK, once per process. @throws ComposioFailure kind `config`. */
  preload(): Promise<void>;
  /** These tools in the shape that the SDK offers to OpenAI models. May leave some out, in any order. */
  offer(place: SdkPlace, entityId: string, tools: readonly Tool[]): Promise<readonly OpenAiTool[]>;
  /** What `carry` throws comes out unchanged. */
  link(
    place: SdkPlace,
    request: { readonly entityId: string; readonly authConfigId: string; readonly callbackUrl: string },
    carry: (sent: SentLink) => Promise<ConnectLink>,
  ): Promise<void>;
  /** What `carry` throws comes out unchanged; what the SDK makes of the result is nobody's concern. */
  execute(
    place: SdkPlace,
    call: { readonly tool: Tool; readonly arguments: JsonObject; readonly scope: Scope },
    carry: (sent: SentCall) => Promise<ExecuteResult>,
  ): Promise<void>;
};
