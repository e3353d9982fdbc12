/** Tools and toolkits by slug, read once and kept for a while. Catalogue data is the same for all users; nothing else may be cached here. */
import type { Tool, ToolEffect } from '../domain/tool.ts';
import type { ComposioClient } from './client.ts';
import { createCoalescer } from './coalesce.ts';
import { createLru } from './lru.ts';
import type { CallOptions, Toolkit } from './port.ts';

/** A changed schema is seen after this long; the version that was checked is named at execution, so an old one stays consistent. */
const MAX_AGE_MS = 10 * 60_000;
/** About 10 KB each: 20 MB at most. */
const MAX_TOOLS = 2_000;
const MAX_TOOLKITS = 500;
/** Slugs per request, so that its address stays below 4 kB. */
const BATCH = 50;

export type Catalogue = {
  getTools(slugs: readonly string[], options?: CallOptions): Promise<readonly Tool[]>;
  getToolkit(app: string, options?: CallOptions): Promise<Toolkit | null>;
};

/** `effects`: what the operator says that a tool does, by slug, whatever its tags say. */
export function createCatalogue(
  client: ComposioClient,
  effects: ReadonlyMap<string, ToolEffect> = new Map(),
): Catalogue {
  const tools = createLru<Tool>({ maxEntries: MAX_TOOLS, maxAgeMs: MAX_AGE_MS });
  const toolkits = createLru<Toolkit>({ maxEntries: MAX_TOOLKITS, maxAgeMs: MAX_AGE_MS });
  const toolReads = createCoalescer<readonly Tool[]>();
  const toolkitReads = createCoalescer<Toolkit | null>();

  async function readTools(slugs: readonly string[]): Promise<readonly Tool[]> {
    const read = await client.getTools(slugs);
    const silent = new Set(read.filter((tool) => tool.noAuth === null).map((tool) => tool.app));
    const isOpen = new Map(
      await Promise.all(
        [...silent].map(async (app) => [app, (await getToolkit(app))?.noAuth ?? false] as const),
      ),
    );
    const found = read.map((tool) =>
      deepFreeze({
        ...tool,
        noAuth: tool.noAuth ?? isOpen.get(tool.app) ?? false,
        readOnly: (effects.get(tool.slug) ?? (tool.readOnly ? 'read' : 'write')) === 'read',
      }),
    );
    for (const tool of found) tools.set(tool.slug, tool);
    return found;
  }

  async function getToolkit(app: string, options?: CallOptions): Promise<Toolkit | null> {
    const slug = app.toLowerCase();
    if (!isSlug(slug)) return null;
    const known = toolkits.get(slug);
    if (known) return known;
    return await toolkitReads(
      slug,
      async () => {
        const toolkit = await client.getToolkit(slug);
        if (toolkit) toolkits.set(slug, toolkit);
        return toolkit;
      },
      options?.signal,
    );
  }

  return {
    async getTools(slugs, options) {
      const asked = [...new Set(slugs)].filter(isSlug);
      const known = new Map<string, Tool>();
      const missing: string[] = [];
      for (const slug of asked) {
        const tool = tools.get(slug);
        if (tool) known.set(slug, tool);
        else missing.push(slug);
      }
      missing.sort();
      for (let from = 0; from < missing.length; from += BATCH) {
        const batch = missing.slice(from, from + BATCH);
        const found = await toolReads(batch.join(','), () => readTools(batch), options?.signal);
        for (const tool of found) known.set(tool.slug, tool);
      }
      return asked.map((slug) => known.get(slug)).filter((tool) => tool !== undefined);
    },
    getToolkit,
  };
}

/** What can be a slug at all: a comma would ask for two tools, a dot segment for another path. */
function isSlug(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$/.test(text);
}

/** The cached objects are handed to every user's calls: one of them changing a schema would change it for all. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
}
