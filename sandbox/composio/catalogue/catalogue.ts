/** The whole catalogue, with each tool's wire form made once: a list request only joins strings. */
import { github } from './github.ts';
import { gmail } from './gmail.ts';
import { googleCalendar } from './google-calendar.ts';
import { hackernews } from './hackernews.ts';
import { notion } from './notion.ts';
import { slack } from './slack.ts';
import type { ToolDefinition, ToolkitDefinition } from './tool-definition.ts';
import { LATEST_VERSION, TOOL_VERSIONS } from './tool-definition.ts';

export type CatalogueTool = {
  readonly definition: ToolDefinition;
  readonly toolkit: ToolkitDefinition;
  readonly isReadOnly: boolean;
  /** Serialised by version. */
  readonly json: ReadonlyMap<string, string>;
};

const TOOLKITS: readonly ToolkitDefinition[] = [slack, gmail, github, notion, googleCalendar, hackernews];
const CREATED_AT = '2025-06-01T00:00:00.000Z';
const UPDATED_AT = '2026-11-01T00:00:00.000Z';

const toolkitsBySlug: ReadonlyMap<string, ToolkitDefinition> = new Map(
  TOOLKITS.map((kit) => [kit.slug, kit]),
);
const toolsBySlug: ReadonlyMap<string, CatalogueTool> = new Map(
  TOOLKITS.flatMap((toolkit) =>
    toolkit.tools.map((definition): [string, CatalogueTool] => [
      definition.slug,
      {
        definition,
        toolkit,
        isReadOnly: definition.tags.includes('readOnlyHint'),
        json: new Map(TOOL_VERSIONS.map((v) => [v, JSON.stringify(toolToWire(definition, toolkit, v))])),
      },
    ]),
  ),
);

function logo(toolkit: ToolkitDefinition): string {
  return `https://logos.composio.dev/api/${toolkit.slug}`;
}

function toolToWire(
  tool: ToolDefinition,
  toolkit: ToolkitDefinition,
  version: string,
): Record<string, unknown> {
  return {
    slug: tool.slug,
    name: tool.name,
    description: tool.description,
    human_description: tool.description,
    tags: tool.tags,
    version,
    available_versions: TOOL_VERSIONS,
    no_auth: toolkit.noAuth,
    input_parameters: tool.input,
    output_parameters: tool.output,
    scopes: tool.scopes,
    toolkit: { slug: toolkit.slug, name: toolkit.name, logo: logo(toolkit) },
    is_deprecated: false,
    deprecated: {
      available_versions: TOOL_VERSIONS,
      displayName: tool.name,
      is_deprecated: false,
      toolkit: { logo: logo(toolkit) },
      version,
    },
  };
}

/** Slugs are upper case on the wire; other cases are accepted, as at Composio. */
export function findTool(slug: string): CatalogueTool | undefined {
  return toolsBySlug.get(slug) ?? toolsBySlug.get(slug.toUpperCase());
}

export function allTools(): Iterable<CatalogueTool> {
  return toolsBySlug.values();
}

export function findToolkit(slug: string): ToolkitDefinition | undefined {
  return toolkitsBySlug.get(slug.toLowerCase());
}

export function allToolkits(): readonly ToolkitDefinition[] {
  return TOOLKITS;
}

/** The answer of `GET /toolkits/{slug}`. It has no `no_auth`: a toolkit without auth shows by its one auth mode, `NO_AUTH`. */
export function toolkitToWire(toolkit: ToolkitDefinition): Record<string, unknown> {
  const scheme = toolkit.noAuth ? 'NO_AUTH' : 'OAUTH2';
  return {
    slug: toolkit.slug,
    name: toolkit.name,
    enabled: true,
    is_local_toolkit: false,
    composio_managed_auth_schemes: toolkit.noAuth ? [] : [scheme],
    auth_config_details: [
      {
        name: `${toolkit.slug}_${scheme.toLowerCase()}`,
        mode: scheme,
        fields: {
          auth_config_creation: { optional: [], required: [] },
          connected_account_initiation: { optional: [], required: [] },
        },
      },
    ],
    meta: {
      description: toolkit.description,
      logo: logo(toolkit),
      app_url: `https://${toolkit.slug}.com`,
      categories: [{ slug: toolkit.category.toLowerCase().replaceAll(/\W+/g, '-'), name: toolkit.category }],
      tools_count: toolkit.tools.length,
      triggers_count: 0,
      version: LATEST_VERSION,
      available_versions: TOOL_VERSIONS,
      created_at: CREATED_AT,
      updated_at: UPDATED_AT,
    },
  };
}
