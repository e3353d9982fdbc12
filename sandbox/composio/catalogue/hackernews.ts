/** Hacker News: a toolkit without auth, so its tools need no account. */
import { integer, list, numberOf, object, output, text, textOf } from './schema.ts';
import type { ToolDefinition, ToolkitDefinition } from './tool-definition.ts';
import { READ_TAGS } from './tool-definition.ts';

const STORIES = [
  { id: 46_000_001, title: 'Durable execution, explained with a hotel', points: 412, author: 'bell' },
  { id: 46_000_002, title: 'Show HN: a stand-in for every API you depend on', points: 230, author: 'hop' },
  { id: 46_000_003, title: 'Why your retries send twice', points: 187, author: 'once' },
] as const;
const stories = list(
  object('Story', { id: integer('ID.'), title: text('Title.'), points: integer('Points.') }),
  'Stories.',
);

const frontPage: ToolDefinition = {
  slug: 'HACKERNEWS_GET_FRONTPAGE',
  name: 'Get front page',
  description: 'Gets the stories that are on the front page of Hacker News now.',
  tags: READ_TAGS,
  scopes: [],
  input: object('GetFrontpageRequest', {
    min_points: integer('Only stories with at least this many points.', { default: 0, minimum: 0 }),
  }),
  output: output({ stories }),
  run: (args) => ({
    data: { stories: STORIES.filter((story) => story.points >= numberOf(args, 'min_points', 0)) },
  }),
};

const searchPosts: ToolDefinition = {
  slug: 'HACKERNEWS_SEARCH_POSTS',
  name: 'Search posts',
  description: 'Searches stories by words in their title.',
  tags: READ_TAGS,
  scopes: [],
  input: object(
    'SearchPostsRequest',
    {
      query: text('Words to look for.'),
      size: integer('Number of results.', { default: 10, minimum: 1, maximum: 100 }),
    },
    ['query'],
  ),
  output: output({ stories }),
  run: (args) => {
    const wanted = textOf(args, 'query').toLowerCase();
    const found = STORIES.filter((story) => story.title.toLowerCase().includes(wanted));
    return { data: { stories: found.slice(0, numberOf(args, 'size', 10)) } };
  },
};

export const hackernews: ToolkitDefinition = {
  slug: 'hackernews',
  name: 'Hacker News',
  description: 'Hacker News is a news site about computing.',
  category: 'News',
  noAuth: true,
  consents: [],
  tools: [frontPage, searchPosts],
};
