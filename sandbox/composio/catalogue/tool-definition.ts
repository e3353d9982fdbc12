/** What a toolkit file declares: its tools with their JSON Schemas, and what running one answers. */
import type { JsonObject } from '../../../domain/json.ts';
import type { Effect } from '../state/journal.ts';

export type ToolContext = {
  /** Whom the acting account signed in as; empty for tools without auth. */
  readonly accountName: string;
  /** A number that no other call of this sandbox has: the source of provider ids. */
  readonly sequence: number;
  /** RFC 3339 UTC. */
  readonly now: string;
  /** What this account did before with this tool, oldest first. */
  readonly recent: (slug: string) => readonly Effect[];
};
/** `error`: the provider refused, which Composio tells as HTTP 200 with `successful: false`. Nothing happened then. */
export type ToolOutcome = { readonly data: JsonObject } | { readonly error: string };

export type ToolDefinition = {
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly scopes: readonly string[];
  readonly input: JsonObject;
  readonly output: JsonObject;
  readonly run: (args: JsonObject, context: ToolContext) => ToolOutcome;
};

export type ToolkitDefinition = {
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly category: string;
  readonly noAuth: boolean;
  /** What the consent page says the app may do, in plain words. */
  readonly consents: readonly string[];
  readonly tools: readonly ToolDefinition[];
};

/** Hints as MCP names them, which Composio puts among a tool's tags. */
export const READ_TAGS = ['readOnlyHint', 'idempotentHint', 'openWorldHint'] as const;
export const WRITE_TAGS = ['openWorldHint', 'createHint', 'important'] as const;
export const DESTRUCTIVE_TAGS = ['destructiveHint', 'openWorldHint'] as const;

/** The newest last. `00000000_00` is the base version that v3 shows when no other is asked for. */
export const TOOL_VERSIONS = ['00000000_00', '20260915_00', '20261101_00'] as const;
export const BASE_VERSION = TOOL_VERSIONS[0];
export const LATEST_VERSION = TOOL_VERSIONS[2];
