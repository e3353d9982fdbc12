/** Slack: posting, listing channels, reading a channel, uploading a file. */
import type { JsonObject } from '../../../domain/json.ts';
import { choice, file, flag, integer, list, numberOf, object, output, text, textOf } from './schema.ts';
import type { ToolDefinition, ToolkitDefinition, ToolOutcome } from './tool-definition.ts';
import { READ_TAGS, WRITE_TAGS } from './tool-definition.ts';

const CHANNELS = ['general', 'random', 'engineering', 'release-notes'] as const;

function channelId(name: string): string {
  const known = CHANNELS.indexOf(name.replace(/^#/, '') as (typeof CHANNELS)[number]);
  return known >= 0 ? `C0SBX000${known + 1}` : name.replace(/^#/, '').toUpperCase();
}

function slackTimestamp(now: string, sequence: number): string {
  return `${Math.floor(Date.parse(now) / 1000)}.${String(sequence).padStart(6, '0')}`;
}

function messageText(args: JsonObject): string {
  return textOf(args, 'markdown_text') || textOf(args, 'text');
}

const sendMessage: ToolDefinition = {
  slug: 'SLACK_SEND_MESSAGE',
  name: 'Send message',
  description:
    'Posts a message to a Slack channel, direct message or private group. Requires content via `markdown_text` (preferred) or `text`.',
  tags: WRITE_TAGS,
  scopes: ['chat:write'],
  input: object(
    'SendMessageRequest',
    {
      channel: text('ID or name of the channel, private group, or IM channel to send the message to.', {
        examples: ['C1234567890', '#general'],
      }),
      markdown_text: text('Message text in Markdown. Preferred over `text`.', {
        examples: ['# Status Update\n\nSystem is **running smoothly**'],
      }),
      text: text('Plain text of the message.', { examples: ['Hello from your assistant'] }),
      thread_ts: text('Timestamp of another message, to make this message a reply in its thread.'),
      link_names: flag('Automatically hyperlink channel names and @mentions.', { default: false }),
      unfurl_links: flag('Enable unfurling of text-based URLs.', { default: true }),
      parse: choice(['none', 'full'], 'How the message text is parsed.', { default: 'none' }),
      reply_broadcast: flag('Makes a threaded reply visible to everyone in the channel.', { default: false }),
    },
    ['channel'],
  ),
  output: output({
    ok: flag('Whether Slack accepted the message.'),
    channel: text('ID of the channel.'),
    ts: text('Timestamp of the message, which is its ID.'),
    message: object('Message', { text: text('Text of the message.'), user: text('Who posted it.') }),
  }),
  run: (args, context): ToolOutcome => {
    const message = messageText(args);
    if (message === '') return { error: 'no_text' };
    const ts = slackTimestamp(context.now, context.sequence);
    const channel = channelId(textOf(args, 'channel'));
    return {
      data: {
        ok: true,
        channel,
        ts,
        message: { type: 'message', text: message, user: context.accountName, ts },
      },
    };
  },
};

const listChannels: ToolDefinition = {
  slug: 'SLACK_LIST_CHANNELS',
  name: 'List channels',
  description:
    'Lists the channels of the workspace that the connected user can see, with IDs, names and topics.',
  tags: READ_TAGS,
  scopes: ['channels:read', 'groups:read'],
  input: object('ListChannelsRequest', {
    limit: integer('Maximum number of channels to return (1 to 1000).', {
      default: 100,
      minimum: 1,
      maximum: 1000,
    }),
    cursor: text('Cursor of the next page, from `next_cursor` of an earlier answer.'),
    exclude_archived: flag('Leaves archived channels out.', { default: true }),
    types: list(
      choice(['public_channel', 'private_channel', 'im', 'mpim'], 'Kind of channel.'),
      'Kinds to include.',
      {
        default: ['public_channel'],
      },
    ),
  }),
  output: output({
    channels: list(object('Channel', { id: text('ID.'), name: text('Name.') }), 'The channels.'),
    next_cursor: text('Cursor of the next page; empty on the last one.'),
  }),
  run: (args, context) => ({
    data: {
      ok: true,
      channels: CHANNELS.slice(0, numberOf(args, 'limit', 100)).map((name) => ({
        id: channelId(name),
        name,
        is_archived: false,
        is_member: true,
        num_members: 12,
        topic: { value: `${name} at the workspace of ${context.accountName}` },
      })),
      next_cursor: '',
    },
  }),
};

const fetchHistory: ToolDefinition = {
  slug: 'SLACK_FETCH_CONVERSATION_HISTORY',
  name: 'Fetch conversation history',
  description: 'Fetches the newest messages of a channel or conversation, newest first.',
  tags: READ_TAGS,
  scopes: ['channels:history'],
  input: object(
    'FetchConversationHistoryRequest',
    {
      channel: text('ID or name of the channel.'),
      limit: integer('Maximum number of messages (1 to 1000).', { default: 100, minimum: 1, maximum: 1000 }),
      oldest: text('Only messages after this Unix timestamp.'),
      latest: text('Only messages before this Unix timestamp.'),
      inclusive: flag('Includes messages with exactly the oldest or latest timestamp.', { default: false }),
    },
    ['channel'],
  ),
  output: output({
    messages: list(
      object('Message', { ts: text('ID.'), user: text('Author.'), text: text('Text.') }),
      'Messages.',
    ),
    has_more: flag('Whether older messages exist.'),
  }),
  run: (args, context) => {
    const channel = channelId(textOf(args, 'channel'));
    const messages = context
      .recent('SLACK_SEND_MESSAGE')
      .filter((effect) => channelId(textOf(effect.arguments, 'channel')) === channel)
      .map((effect) => ({
        type: 'message',
        ts: slackTimestamp(effect.at, effect.seq),
        user: context.accountName,
        text: messageText(effect.arguments),
      }))
      .reverse();
    return { data: { ok: true, messages: messages.slice(0, numberOf(args, 'limit', 100)), has_more: false } };
  },
};

const uploadFile: ToolDefinition = {
  slug: 'SLACK_UPLOAD_FILE',
  name: 'Upload file',
  description: 'Uploads a file to Slack and shares it in a channel.',
  tags: WRITE_TAGS,
  scopes: ['files:write'],
  input: object(
    'UploadFileRequest',
    {
      channel: text('ID of the channel to share the file in.'),
      file: file('The file to upload.'),
      initial_comment: text('Message that introduces the file.'),
    },
    ['channel', 'file'],
  ),
  output: output({ file_id: text('ID of the uploaded file.') }),
  run: (_args, context) => ({ data: { ok: true, file_id: `F0SBX${context.sequence}` } }),
};

export const slack: ToolkitDefinition = {
  slug: 'slack',
  name: 'Slack',
  description: 'Slack is a channel-based messaging platform for teams.',
  category: 'Collaboration & Communication',
  noAuth: false,
  consents: [
    'Send messages as you',
    'View channels you can see',
    'Read messages in those channels',
    'Upload files as you',
  ],
  tools: [sendMessage, listChannels, fetchHistory, uploadFile],
};
