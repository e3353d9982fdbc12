/** A tool of Composio's catalogue. Catalogue data is the same for all users, so it may be cached; toolsets may not. */
import type { JsonObject } from './json.ts';

export type Tool = {
  /** Composio's slug, e.g. `SLACK_SEND_MESSAGE`. */
  readonly slug: string;
  readonly description: string;
  /** Toolkit slug in lower case, e.g. `slack`. */
  readonly app: string;
  /** Toolkit's display name, e.g. `Slack`. */
  readonly appName: string;
  /** The exact version that was read, sent back at execution so that the checked schema is the executed one. */
  readonly version: string | null;
  /** No account is needed. */
  readonly noAuth: boolean;
  readonly tags: readonly string[];
  /** It changes nothing: so its provider's tags say, or the operator who knows better. Anything else counts as a write. */
  readonly readOnly: boolean;
  /** JSON Schema of the arguments. */
  readonly parameters: JsonObject;
};

export const TOOL_EFFECTS = ['read', 'write'] as const;
export type ToolEffect = (typeof TOOL_EFFECTS)[number];

/** What a tool does, by its tags. Tags that contradict each other do not make a read. */
export function effectOf(tags: readonly string[]): ToolEffect {
  return tags.includes('readOnlyHint') && !tags.includes('destructiveHint') ? 'read' : 'write';
}
