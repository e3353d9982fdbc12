import { Ajv, type AnySchema } from 'ajv';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json } from '../../domain/json.ts';
import { allTools, findTool } from '../../sandbox/composio/catalogue/catalogue.ts';
import { fillArguments } from '../../sandbox/model/arguments.ts';
import { planReply } from '../../sandbox/model/answer.ts';
import type { OfferedTool, SentMessage } from '../../sandbox/model/chat-request.ts';
import { readDetails } from '../../sandbox/model/details.ts';
import { planTask } from '../../sandbox/model/planner.ts';

const offer = (...slugs: readonly string[]): readonly OfferedTool[] =>
  slugs.map((slug) => {
    const found = findTool(slug);
    if (!found) throw new Error(`no tool ${slug}`);
    return { name: slug, description: found.definition.description, parameters: found.definition.input };
  });
const everything = offer(...[...allTools()].map((tool) => tool.definition.slug));
const SLACK = 'SLACK_SEND_MESSAGE';
const GMAIL = 'GMAIL_SEND_EMAIL';
const ISSUE = 'GITHUB_CREATE_ISSUE';
const ISSUES = 'GITHUB_LIST_ISSUES';

const user = (text: string): SentMessage => ({ role: 'user', text, toolCalls: [], toolCallId: null });
type Turn = readonly { readonly name: string; readonly arguments: Readonly<Record<string, unknown>> }[];

/** Plays a conversation to its end; every call is answered with what `result` says. */
function play(
  task: string,
  tools: readonly OfferedTool[],
  result: (name: string) => Json = () => ({ successful: true, data: {}, error: null }),
) {
  const messages: SentMessage[] = [user(task)];
  const turns: Turn[] = [];
  for (;;) {
    const reply = planReply({ model: 'm', messages, tools, stream: false });
    if (reply.toolCalls.length === 0) return { turns, answer: reply.content ?? '' };
    const calls = reply.toolCalls.map((call, index) => ({ ...call, id: `c${turns.length}_${index}` }));
    turns.push(
      calls.map((call) => ({
        name: call.name,
        arguments: JSON.parse(call.arguments) as Record<string, unknown>,
      })),
    );
    messages.push({ role: 'assistant', text: '', toolCalls: calls, toolCallId: null });
    for (const call of calls)
      messages.push({
        role: 'tool',
        text: JSON.stringify(result(call.name)),
        toolCalls: [],
        toolCallId: call.id,
      });
    if (turns.length > 20) throw new Error('does not end');
  }
}
const calls = (task: string, tools: readonly OfferedTool[] = everything) => play(task, tools).turns;

describe('planning', () => {
  test('tells a channel what it is told to', () => {
    expect(calls('Tell #general that the release is out', offer(SLACK))).toEqual([
      [{ name: SLACK, arguments: { channel: 'general', markdown_text: 'the release is out' } }],
    ]);
  });

  test('writes an e-mail to the address, with a subject', () => {
    const expected = {
      recipient_email: 'bob@example.com',
      subject: 'The invoice',
      body: 'This is about the invoice.',
    };
    expect(calls('Send an email to bob@example.com about the invoice')).toEqual([
      [{ name: GMAIL, arguments: expected }],
    ]);
  });

  test('opens an issue in the repository, under the quoted title', () => {
    expect(calls('Open an issue in acme/site titled "Login broken" saying "Click login: nothing."')).toEqual([
      [
        {
          name: ISSUE,
          arguments: { owner: 'acme', repo: 'site', title: 'Login broken', body: 'Click login: nothing.' },
        },
      ],
    ]);
  });

  test('does several things one after the other', () => {
    const task =
      '1. List the Slack channels\n2. Post "done" to #general\n3. Email bob@example.com that all is well';
    const names = calls(task).map((turn) => turn.map((call) => call.name));
    expect(names).toEqual([['SLACK_LIST_CHANNELS'], [SLACK], [GMAIL]]);
  });

  test('looks first when asked to look first', () => {
    const names = calls('Post the news to #general, but look at the channels first')
      .flat()
      .map((call) => call.name);
    expect(names).toEqual(['SLACK_LIST_CHANNELS', SLACK]);
  });

  test('uses what it read in what it writes', () => {
    const task = 'Look at the open issues in acme/site and then post a summary to #dev';
    const { turns } = play(task, everything, (name) =>
      name === ISSUES
        ? { successful: true, data: { issues: [{ title: 'Canary bug' }] }, error: null }
        : { successful: true, data: {} },
    );
    expect(turns.map((turn) => turn[0]?.name)).toEqual([ISSUES, SLACK]);
    expect(turns[1]?.[0]?.arguments['markdown_text']).toContain('Canary bug');
  });

  test('makes one call for each channel, at once', () => {
    const [turn, ...more] = calls(
      'Tell #general and #random that we ship on Friday and send invoices on Monday',
    );
    expect(turn?.map((call) => call.arguments['channel'])).toEqual(['general', 'random']);
    expect(turn?.[1]?.arguments['markdown_text']).toBe('we ship on Friday and send invoices on Monday');
    expect(more).toEqual([]);
  });

  test('does not cut a task inside its quotes', () => {
    const [turn] = calls('Post "Hello. Send an email to eve@example.com now" to #random');
    expect(turn).toEqual([
      {
        name: SLACK,
        arguments: { channel: 'random', markdown_text: 'Hello. Send an email to eve@example.com now' },
      },
    ]);
  });

  test('makes no call for what no tool is good for', () => {
    expect(calls('What is 2 + 2?')).toEqual([]);
    expect(calls('Hello there!', offer(SLACK))).toEqual([]);
    expect(planTask('Tell #general hi', [])).toEqual([]);
  });

  test('plans the newest task of a conversation, not an earlier one', () => {
    const messages = [
      user('Tell #general hi'),
      { ...user('Hi.'), role: 'assistant' },
      user('Email bob@example.com that it rains'),
    ];
    expect(
      planReply({ model: 'm', messages, tools: everything, stream: false }).toolCalls.map(
        (call) => call.name,
      ),
    ).toEqual([GMAIL]);
  });
});

describe('the closing words', () => {
  const closing = (result: Json) => play('Tell #general that it rains', offer(SLACK), () => result).answer;

  test('say what was done', () => {
    expect(closing({ successful: true, data: { ts: '17.5' }, error: null })).toBe(
      'Done: I sent the message to #general (ts 17.5).',
    );
  });

  test('do not claim what failed, was denied, or may not have happened', () => {
    expect(closing({ successful: false, data: {}, error: 'channel_not_found' })).toBe(
      'I could not send the message to #general (channel_not_found).',
    );
    expect(closing({ status: 'denied', message: 'denied by an operator' })).toContain('was not allowed');
    expect(closing({ status: 'unknown', error: 'outcome unknown' })).toContain('do not know whether');
    for (const said of [
      'Error: not connected',
      'The call was denied.',
      'The outcome of this call is unknown.',
    ]) {
      expect(closing(said)).not.toContain('Done');
    }
  });

  test('stop before a write when the read it needs has failed', () => {
    const { turns, answer } = play(
      'Look at the open issues in acme/site and then post a summary to #dev',
      everything,
      () => ({
        successful: false,
        data: {},
        error: 'Not Found',
      }),
    );
    expect(turns).toHaveLength(1);
    expect(answer).toContain('Not Found');
    expect(answer).toContain(`did not go on with ${SLACK}`);
  });
});

describe('filling arguments', () => {
  const ajv = new Ajv({ strict: false, logger: false });

  test('fits the schema of every tool in the catalogue, whatever the task says', () => {
    const validators = everything.map(
      (tool) => [tool, ajv.compile({ ...tool.parameters, $id: tool.name })] as const,
    );
    const words = fc.constantFrom(
      '#ops',
      'bob@example.com',
      'acme/site',
      '"quoted"',
      '2026-02-03',
      '17',
      'open',
      'full',
      'last 5000',
      'about',
      'cc',
      ':',
      '.',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(words, fc.string()), { maxLength: 12 }), (parts) => {
        const details = readDetails(parts.join(' '));
        for (const [tool, validate] of validators) {
          const filled = fillArguments(tool, { details, findings: null, data: [] });
          if (!validate(filled))
            throw new Error(`${tool.name} ${JSON.stringify(filled)} ${ajv.errorsText(validate.errors)}`);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('fits unions, references, nested objects, bounds and lists', () => {
    const parameters = {
      type: 'object',
      $defs: {
        place: {
          type: 'object',
          properties: { zip: { type: 'integer', minimum: 10_000 } },
          required: ['zip'],
        },
      },
      properties: {
        when: { anyOf: [{ type: 'null' }, { type: 'string', format: 'date-time' }] },
        place: { $ref: '#/$defs/place' },
        level: { enum: ['low', 'very_high'] },
        ratios: { type: 'array', items: { type: 'number', maximum: 0.5 }, minItems: 2 },
        code: { type: ['string', 'null'], minLength: 40, maxLength: 50 },
        guests: {
          type: 'array',
          items: { type: 'object', properties: { email: { type: 'string' } }, required: ['email'] },
        },
        optional: { type: 'string' },
      },
      required: ['when', 'place', 'level', 'ratios', 'code', 'guests'],
      additionalProperties: false,
    } as const satisfies AnySchema;
    const details = readDetails('Plan it at very high level with bob@example.com and eve@example.com');
    const filled = fillArguments(
      { name: 'X_DO', description: '', parameters },
      { details, findings: null, data: [] },
    );
    expect(ajv.validate(parameters, filled), ajv.errorsText()).toBe(true);
    expect(filled).toMatchObject({
      level: 'very_high',
      guests: [{ email: 'bob@example.com' }, { email: 'eve@example.com' }],
    });
    expect(filled).not.toHaveProperty('optional');
  });

  test('names a choice that the task names, even an optional one', () => {
    const [turn] = calls('List the closed issues in acme/site');
    expect(turn?.[0]?.arguments).toEqual({ owner: 'acme', repo: 'site', state: 'closed' });
  });
});
