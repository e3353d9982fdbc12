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
  /** JSON Schema of the arguments. */
  readonly parameters: JsonObject;
};

/** True when the provider declares that the tool changes nothing; anything else counts as a write. */
export function isReadOnlyTool(tool: Pick<Tool, 'tags'>): boolean {
  return tool.tags.includes('readOnlyHint');
}
