/** Gmail: sending, reading, drafting. */
import type { Json, JsonObject } from '../../../domain/json.ts';
import type { Effect } from '../state/journal.ts';
import { file, flag, integer, list, listOf, numberOf, object, output, text, textOf } from './schema.ts';
import type { ToolContext, ToolDefinition, ToolkitDefinition } from './tool-definition.ts';
import { READ_TAGS, WRITE_TAGS } from './tool-definition.ts';

const messageId = (sequence: number): string => `19sbx${String(sequence).padStart(11, '0')}`;

const letter = {
  recipient_email: text("Primary recipient's email address.", {
    examples: ['john@doe.com'],
    format: 'email',
  }),
  cc: list(text('Email address.'), 'Carbon copy recipients.', { default: [] }),
  bcc: list(text('Email address.'), 'Blind carbon copy recipients.', { default: [] }),
  subject: text('Subject line of the email.', { examples: ['Job Application'] }),
  body: text('Body of the email, plain text or HTML; `is_html` must be true for HTML.'),
  is_html: flag('Set to true if the body contains HTML.', { default: false }),
  attachment: file('File to attach to the email.'),
} as const;

const sendEmail: ToolDefinition = {
  slug: 'GMAIL_SEND_EMAIL',
  name: 'Send email',
  description: "Sends an email through the Gmail API with the connected user's address as sender.",
  tags: WRITE_TAGS,
  scopes: ['https://www.googleapis.com/auth/gmail.send'],
  input: object('SendEmailRequest', letter, ['recipient_email', 'body']),
  output: output({
    id: text('ID of the sent message.'),
    threadId: text('ID of its thread.'),
    labelIds: list(text('Label.'), 'Labels of the message.'),
  }),
  run: (_args, context) => {
    const id = messageId(context.sequence);
    return { data: { id, threadId: id, labelIds: ['SENT'] } };
  },
};

const createDraft: ToolDefinition = {
  slug: 'GMAIL_CREATE_EMAIL_DRAFT',
  name: 'Create email draft',
  description: 'Creates a draft email. Nothing is sent.',
  tags: WRITE_TAGS,
  scopes: ['https://www.googleapis.com/auth/gmail.compose'],
  input: object('CreateEmailDraftRequest', letter, ['recipient_email', 'subject', 'body']),
  output: output({ id: text('ID of the draft.') }),
  run: (_args, context) => ({
    data: { id: `r-${context.sequence}`, message: { id: messageId(context.sequence), labelIds: ['DRAFT'] } },
  }),
};

const fetchEmails: ToolDefinition = {
  slug: 'GMAIL_FETCH_EMAILS',
  name: 'Fetch emails',
  description:
    'Fetches emails of the connected mailbox, newest first, filtered by a Gmail search query and labels.',
  tags: READ_TAGS,
  scopes: ['https://www.googleapis.com/auth/gmail.readonly'],
  input: object('FetchEmailsRequest', {
    query: text('Gmail search query.', { examples: ['is:unread', 'from:boss@example.com'] }),
    max_results: integer('Maximum number of emails (1 to 500).', { default: 10, minimum: 1, maximum: 500 }),
    label_ids: list(text('Label ID.'), 'Only emails with all of these labels.', { default: [] }),
    page_token: text('Token of the next page.'),
    include_payload: flag('Includes headers and body of each email.', { default: true }),
    verbose: flag('Includes all details; slower.', { default: true }),
  }),
  output: output({
    messages: list(
      object('Email', {
        messageId: text('ID.'),
        sender: text('Sender.'),
        subject: text('Subject.'),
        messageText: text('Text.'),
      }),
      'The emails.',
    ),
    nextPageToken: text('Token of the next page.'),
    resultSizeEstimate: integer('Estimated number of results.'),
  }),
  run: (args, context) => {
    const mails = [
      ...context
        .recent(sendEmail.slug)
        .map((effect) => sentMail(effect, context))
        .reverse(),
      ...inbox(context),
    ];
    const labels = listOf(args, 'label_ids');
    const fitting = mails.filter((mail) =>
      labels.every((label) => (mail['labelIds'] as Json[]).includes(label)),
    );
    const messages = fitting.slice(0, numberOf(args, 'max_results', 10));
    return { data: { messages, nextPageToken: '', resultSizeEstimate: fitting.length } };
  },
};

function sentMail(effect: Effect, context: ToolContext): JsonObject {
  return {
    messageId: messageId(effect.seq),
    sender: context.accountName,
    to: textOf(effect.arguments, 'recipient_email'),
    subject: textOf(effect.arguments, 'subject'),
    messageText: textOf(effect.arguments, 'body'),
    labelIds: ['SENT'],
    messageTimestamp: effect.at,
  };
}

function inbox(context: ToolContext): readonly JsonObject[] {
  return [
    {
      messageId: '19sbxinbox00001',
      sender: 'Dana Field <dana@example.test>',
      to: context.accountName,
      subject: 'Quarterly report',
      messageText: 'The quarterly report is ready. Could you share the numbers with the team today?',
      labelIds: ['INBOX', 'UNREAD'],
      messageTimestamp: '2026-11-20T09:12:00Z',
    },
    {
      messageId: '19sbxinbox00002',
      sender: 'Calendar <calendar@example.test>',
      to: context.accountName,
      subject: 'Reminder: design review',
      messageText: 'Design review, tomorrow at 10:00.',
      labelIds: ['INBOX'],
      messageTimestamp: '2026-11-19T16:40:00Z',
    },
  ];
}

export const gmail: ToolkitDefinition = {
  slug: 'gmail',
  name: 'Gmail',
  description: "Gmail is Google's email service.",
  category: 'Email',
  noAuth: false,
  consents: ['Read your email messages', 'Send email on your behalf', 'Create drafts'],
  tools: [sendEmail, fetchEmails, createDraft],
};
