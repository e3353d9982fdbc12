/** Notion: pages. */
import type { JsonObject } from '../../../domain/json.ts';
import { choice, integer, list, numberOf, object, output, text, textOf } from './schema.ts';
import type { ToolDefinition, ToolkitDefinition } from './tool-definition.ts';
import { DESTRUCTIVE_TAGS, READ_TAGS, WRITE_TAGS } from './tool-definition.ts';

function pageId(sequence: number): string {
  return `5b0c0000-0000-4000-8000-${String(sequence).padStart(12, '0')}`;
}

function page(title: string, details: { sequence: number; at: string; author: string }): JsonObject {
  const id = pageId(details.sequence);
  return {
    object: 'page',
    id,
    url: `https://www.notion.so/${id.replaceAll('-', '')}`,
    created_time: details.at,
    created_by: { object: 'user', name: details.author },
    properties: { title: { type: 'title', title: [{ type: 'text', plain_text: title }] } },
  };
}

const createPage: ToolDefinition = {
  slug: 'NOTION_CREATE_PAGE',
  name: 'Create Notion page',
  description: 'Creates a new page under a parent page or database that the integration can see.',
  tags: WRITE_TAGS,
  scopes: [],
  input: object(
    'CreatePageRequest',
    {
      parent_id: text('ID of the parent page or database, a UUID.', {
        examples: ['59833787-2cf9-4fdf-8782-e53db20768a5'],
      }),
      title: text('Title of the new page.', { examples: ['My new report'] }),
      markdown: text('Content of the page, in Markdown.'),
      icon: text('Emoji to use as the icon.', { examples: ['😻'] }),
      cover: text('Address of an external image to use as the cover.'),
    },
    ['parent_id', 'title'],
  ),
  output: output({ id: text('ID of the page.'), url: text('Address of the page.') }),
  run: (args, context) => ({
    data: page(textOf(args, 'title'), {
      sequence: context.sequence,
      at: context.now,
      author: context.accountName,
    }),
  }),
};

const search: ToolDefinition = {
  slug: 'NOTION_SEARCH',
  name: 'Search Notion',
  description: 'Searches pages and databases by title among those shared with the integration.',
  tags: READ_TAGS,
  scopes: [],
  input: object('SearchRequest', {
    query: text('Text to look for in titles; empty returns everything.', { default: '' }),
    filter: object('Filter', {
      property: choice(['object'], 'What to filter by.', { default: 'object' }),
      value: choice(['page', 'database'], 'Kind of object to return.'),
    }),
    sort: object('Sort', {
      timestamp: choice(['last_edited_time'], 'What to sort by.'),
      direction: choice(['ascending', 'descending'], 'Direction of the sort.', { default: 'descending' }),
    }),
    page_size: integer('Number of results (1 to 100).', { default: 10, minimum: 1, maximum: 100 }),
    start_cursor: text('Cursor of the next page.'),
  }),
  output: output({
    results: list(object('Result', { id: text('ID.'), url: text('Address.') }), 'Pages and databases.'),
    has_more: { type: 'boolean', description: 'Whether more results exist.' },
  }),
  run: (args, context) => {
    const wanted = textOf(args, 'query').toLowerCase();
    const pages = context
      .recent(createPage.slug)
      .map((e) => ({ title: textOf(e.arguments, 'title'), sequence: e.seq, at: e.at }))
      .concat([{ title: 'Team handbook', sequence: 0, at: '2026-01-05T09:00:00Z' }])
      .filter(({ title }) => title.toLowerCase().includes(wanted))
      .slice(0, numberOf(args, 'page_size', 10));
    const results = pages.map((p) =>
      page(p.title, { sequence: p.sequence, at: p.at, author: context.accountName }),
    );
    return { data: { results, has_more: false, next_cursor: null } };
  },
};

const archivePage: ToolDefinition = {
  slug: 'NOTION_ARCHIVE_NOTION_PAGE',
  name: 'Archive Notion page',
  description: 'Archives (moves to trash) or unarchives a page.',
  tags: DESTRUCTIVE_TAGS,
  scopes: [],
  input: object(
    'ArchivePageRequest',
    {
      page_id: text('ID of the page.'),
      archive: { type: 'boolean', description: 'True archives, false brings back.', default: true },
    },
    ['page_id'],
  ),
  output: output({ id: text('ID of the page.') }),
  run: (args) => ({
    data: { object: 'page', id: textOf(args, 'page_id'), archived: args['archive'] ?? true },
  }),
};

export const notion: ToolkitDefinition = {
  slug: 'notion',
  name: 'Notion',
  description: 'Notion is a workspace for notes, documents and databases.',
  category: 'Productivity',
  noAuth: false,
  consents: ['View pages you choose', 'Create and edit pages you choose'],
  tools: [createPage, search, archivePage],
};
