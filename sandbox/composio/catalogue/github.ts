/** GitHub: issues. */
import type { JsonObject } from '../../../domain/json.ts';
import { choice, integer, list, listOf, numberOf, object, output, text, textOf } from './schema.ts';
import type { ToolDefinition, ToolkitDefinition } from './tool-definition.ts';
import { READ_TAGS, WRITE_TAGS } from './tool-definition.ts';

const repository = {
  owner: text('The account owner of the repository. Not case sensitive.', { examples: ['octocat'] }),
  repo: text('The name of the repository without the `.git` extension. Not case sensitive.', {
    examples: ['hello-world'],
  }),
} as const;

function issueUrl(args: JsonObject, number: number): string {
  return `https://github.com/${textOf(args, 'owner')}/${textOf(args, 'repo')}/issues/${number}`;
}

function issue(args: JsonObject, details: { number: number; author: string; at: string }): JsonObject {
  return {
    id: 2_000_000_000 + details.number,
    number: details.number,
    title: textOf(args, 'title'),
    body: textOf(args, 'body'),
    state: 'open',
    labels: listOf(args, 'labels'),
    assignees: listOf(args, 'assignees'),
    user: { login: details.author },
    html_url: issueUrl(args, details.number),
    created_at: details.at,
  };
}

const createIssue: ToolDefinition = {
  slug: 'GITHUB_CREATE_ISSUE',
  name: 'Create an issue',
  description:
    'Creates a new issue in a repository. The connected user must have read access, and push access to set labels or assignees.',
  tags: WRITE_TAGS,
  scopes: ['repo'],
  input: object(
    'CreateIssueRequest',
    {
      ...repository,
      title: text('Title of the new issue.', { examples: ['Login fails with an empty password'] }),
      body: text('Content of the issue, in Markdown.'),
      labels: list(text('Label.'), 'Labels to put on the issue.', { examples: [['bug']] }),
      assignees: list(text('Login.'), 'Logins of the users to assign.'),
      milestone: integer('Number of the milestone to put the issue in.'),
    },
    ['owner', 'repo', 'title'],
  ),
  output: output({
    id: integer('ID of the issue.'),
    number: integer('Number of the issue in its repository.'),
    html_url: text('Address of the issue.'),
    state: choice(['open', 'closed'], 'State of the issue.'),
  }),
  run: (args, context) => ({
    data: issue(args, { number: context.sequence, author: context.accountName, at: context.now }),
  }),
};

const listIssues: ToolDefinition = {
  slug: 'GITHUB_LIST_ISSUES',
  name: 'List repository issues',
  description: 'Lists issues of a repository, newest first, filtered by state, labels and assignee.',
  tags: READ_TAGS,
  scopes: ['repo'],
  input: object(
    'ListIssuesRequest',
    {
      ...repository,
      state: choice(['open', 'closed', 'all'], 'State of the issues to return.', { default: 'open' }),
      labels: text('Comma separated list of label names.'),
      sort: choice(['created', 'updated', 'comments'], 'What to sort by.', { default: 'created' }),
      per_page: integer('Results per page (max 100).', { default: 30, minimum: 1, maximum: 100 }),
      page: integer('Page number.', { default: 1, minimum: 1 }),
    },
    ['owner', 'repo'],
  ),
  output: output({
    issues: list(object('Issue', { number: integer('Number.'), title: text('Title.') }), 'The issues.'),
  }),
  run: (args, context) => {
    const made = context
      .recent(createIssue.slug)
      .filter((e) => e.arguments['owner'] === args['owner'] && e.arguments['repo'] === args['repo'])
      .map((e) => issue(e.arguments, { number: e.seq, author: context.accountName, at: e.at }))
      .reverse();
    return { data: { issues: made.slice(0, numberOf(args, 'per_page', 30)), total: made.length } };
  },
};

const commentIssue: ToolDefinition = {
  slug: 'GITHUB_CREATE_AN_ISSUE_COMMENT',
  name: 'Create an issue comment',
  description: 'Adds a comment to an issue or pull request.',
  tags: WRITE_TAGS,
  scopes: ['repo'],
  input: object(
    'CreateIssueCommentRequest',
    {
      ...repository,
      issue_number: integer('Number of the issue.'),
      body: text('Content of the comment, in Markdown.'),
    },
    ['owner', 'repo', 'issue_number', 'body'],
  ),
  output: output({ id: integer('ID of the comment.'), html_url: text('Address of the comment.') }),
  run: (args, context) => ({
    data: {
      id: 3_000_000_000 + context.sequence,
      body: textOf(args, 'body'),
      user: { login: context.accountName },
      html_url: `${issueUrl(args, numberOf(args, 'issue_number', 0))}#issuecomment-${context.sequence}`,
      created_at: context.now,
    },
  }),
};

export const github: ToolkitDefinition = {
  slug: 'github',
  name: 'GitHub',
  description: 'GitHub is a code hosting platform for version control and collaboration.',
  category: 'Developer Tools',
  noAuth: false,
  consents: ['Read your repositories', 'Create issues and comments as you'],
  tools: [createIssue, listIssues, commentIssue],
};
