/** `GET /tools` and `GET /tools/{slug}`: the catalogue. */
import { allTools, type CatalogueTool, findTool } from '../catalogue/catalogue.ts';
import { BASE_VERSION, LATEST_VERSION, TOOL_VERSIONS } from '../catalogue/tool-definition.ts';
import type { ApiRequest, Handler, Reply } from '../api-request.ts';
import { limitParam, listParam } from '../api-request.ts';
import { badRequest, toolNotFound } from '../wire-error.ts';

// Composio's default page of tools.
const DEFAULT_LIMIT = 20;

export const listTools: Handler = (_state, request) => {
  const slugs = listParam(request.query, 'tool_slugs');
  const toolkits = listParam(request.query, 'toolkit_slug') ?? listParam(request.query, 'toolkit_slugs');
  const tags = listParam(request.query, 'tags');
  const words = (request.query.get('search') ?? request.query.get('query') ?? '').toLowerCase();
  const source = slugs ? new Set(slugs.flatMap((slug) => findTool(slug) ?? [])) : allTools();
  const fitting: string[] = [];
  for (const tool of source) {
    const version = toolVersion(request, tool);
    const wire = version === null ? undefined : tool.json.get(version);
    if (wire === undefined) continue;
    if (toolkits && !toolkits.some((slug) => slug.toLowerCase() === tool.toolkit.slug)) continue;
    if (tags && !tags.every((tag) => tool.definition.tags.includes(tag))) continue;
    if (
      words !== '' &&
      !`${tool.definition.slug} ${tool.definition.description}`.toLowerCase().includes(words)
    )
      continue;
    fitting.push(wire);
  }
  return toolPage(fitting, request);
};

export const getTool: Handler = (_state, request) => {
  const tool = findTool(request.id);
  const version = tool ? toolVersion(request, tool) : null;
  const wire = version === null ? undefined : tool?.json.get(version);
  if (wire === undefined) throw toolNotFound(request.id);
  return { status: 200, body: wire };
};

function toolPage(wires: readonly string[], request: ApiRequest): Reply {
  const limit = limitParam(request.query, DEFAULT_LIMIT);
  const start = Number(request.query.get('cursor') ?? '0');
  if (!Number.isInteger(start) || start < 0) throw badRequest('Invalid cursor');
  const end = Math.min(start + limit, wires.length);
  const position = JSON.stringify({
    next_cursor: end < wires.length ? String(end) : null,
    total_items: wires.length,
    total_pages: Math.ceil(wires.length / limit),
    current_page: Math.floor(start / limit) + 1,
  });
  return { status: 200, body: `{"items":[${wires.slice(start, end).join(',')}],${position.slice(1)}` };
}

/**
 * The version that a request means: `version`, `toolkit_versions=latest|<v>` or `toolkit_versions[slack]=<v>`; by default
 * the base version on v3 and the latest on v3.1. Null when the tool has no such version.
 */
export function toolVersion(
  request: Pick<ApiRequest, 'query' | 'version'>,
  tool: CatalogueTool,
): string | null {
  const asked =
    request.query.get('version') ??
    request.query.get(`toolkit_versions[${tool.toolkit.slug}]`) ??
    request.query.get('toolkit_versions') ??
    (request.version === 'v3' ? BASE_VERSION : 'latest');
  return knownVersion(asked);
}

export function knownVersion(asked: string): string | null {
  if (asked === 'latest') return LATEST_VERSION;
  return (TOOL_VERSIONS as readonly string[]).includes(asked) ? asked : null;
}
