/** The calls that a model may ask for: malformed, unknown, doubled, two hundred at once. No invalid one is executed, and the run goes on or ends as told. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { GOOD, READ, WRITE, calls, drive, rawAnswer, wireCall } from './hostile.ts';

let bellhop: TestBellhop;
beforeAll(async () => {
  bellhop = await startTestBellhop();
});
afterAll(() => bellhop.close());

describe('a call that is not valid is told to the model and not executed', () => {
  test.each<[string, string, unknown, RegExp]>([
    ['malformed JSON', WRITE, '{"channel": "general', /not valid JSON/],
    ['a list for arguments', WRITE, '[1]', /must be a JSON object/],
    ['a string for arguments', WRITE, '"x"', /must be a JSON object/],
    ['null for arguments', WRITE, 'null', /must be a JSON object/],
    [
      'arguments of 1 MB that are cut',
      WRITE,
      `{"channel":"general","markdown_text":"${'x'.repeat(1_000_000)}`,
      /not valid JSON/,
    ],
    ['10,000 levels', WRITE, `{"channel":${'['.repeat(10_000)}${']'.repeat(10_000)}}`, /nested too deeply/],
    [
      'no such argument',
      WRITE,
      '{"channel":"general","markdown_text":"x","connectedAccountId":"ca_bob"}',
      /./,
    ],
    ['__proto__', WRITE, '{"channel":"general","markdown_text":"x","__proto__":{"a":1}}', /./],
    ['an unknown tool', 'NO_SUCH_TOOL', '{}', /no tool NO_SUCH_TOOL/],
    ['a tool not offered to this run', 'GMAIL_SEND_EMAIL', '{}', /no tool GMAIL_SEND_EMAIL/],
    ['a name that is no name', 'a b/../c\u0000', '{}', /no tool/],
    ['a name of 10,000 characters', 'N'.repeat(10_000), '{}', /no tool/],
  ])('%s', async (_what, name, args, why) => {
    const { run, calls: made, told, sent } = await drive(bellhop, [calls({ name, arguments: args })]);
    expect(run).toMatchObject({
      status: 'completed',
      output: 'The end.',
      usage: { modelCalls: 2, toolCalls: 1 },
    });
    expect(made.map((one) => one.status)).toEqual(['failed']);
    expect(JSON.parse(told[0] ?? '')).toMatchObject({
      status: 'failed',
      error: expect.stringMatching(why) as string,
    });
    expect(sent).toBe(0);
  });

  test('among valid ones, which are executed', async () => {
    const {
      run,
      calls: made,
      effects,
    } = await drive(bellhop, [
      calls(
        { name: WRITE, arguments: GOOD },
        { name: WRITE, arguments: '{' },
        { name: 'NOPE' },
        { name: WRITE, arguments: GOOD },
      ),
    ]);
    expect(run.status).toBe('completed');
    expect(made.map((one) => one.status)).toEqual(['done', 'failed', 'failed', 'done']);
    expect(effects).toBe(2);
  });
});

describe('odd calls', () => {
  test.each([
    [
      'one id for two different calls',
      [
        wireCall(WRITE, JSON.stringify(GOOD)),
        wireCall(WRITE, JSON.stringify({ ...GOOD, markdown_text: 'two' })),
      ],
      2,
    ],
    [
      'the same call twice under one id',
      [wireCall(WRITE, JSON.stringify(GOOD)), wireCall(WRITE, JSON.stringify(GOOD))],
      1,
    ],
    ['empty ids', [wireCall(WRITE, JSON.stringify(GOOD), ''), wireCall(READ, '{}', '')], 1],
    ['ids that are no texts', [wireCall(WRITE, JSON.stringify(GOOD), null), wireCall(READ, '{}', 7)], 1],
    ['an id of 10 kB', [wireCall(WRITE, JSON.stringify(GOOD), 'i'.repeat(10_000))], 1],
    ['arguments as an object', [wireCall(WRITE, GOOD)], 1],
  ])('(%s) are executed once each', async (_what, toolCalls, effects) => {
    const fault = rawAnswer({ content: null, tool_calls: toolCalls }, {}, 'tool_calls');
    const driven = await drive(bellhop, [{ fault }]);
    expect(driven).toMatchObject({ run: { status: 'completed' }, effects });
    expect(new Set(driven.calls.map((one) => one.id)).size).toBe(driven.calls.length);
  });

  test('by function_call, as it was before, are executed', async () => {
    const fault = rawAnswer(
      { content: null, function_call: { name: WRITE, arguments: JSON.stringify(GOOD) } },
      {},
      'function_call',
    );
    expect(await drive(bellhop, [{ fault }])).toMatchObject({ run: { status: 'completed' }, effects: 1 });
  });

  test('200 at once are executed 8 at a time, and the run goes on', async () => {
    const many = Array.from({ length: 200 }, (_, i) => ({
      name: WRITE,
      arguments: { ...GOOD, markdown_text: `no ${i}` },
    }));
    const { run, calls: made, effects, told, bodies } = await drive(bellhop, [calls(...many)]);
    expect(run).toMatchObject({ status: 'completed', usage: { toolCalls: 200, modelCalls: 2 } });
    expect(made.every((one) => one.status === 'done')).toBe(true);
    expect(effects).toBe(200);
    expect(told).toHaveLength(200);
    expect(JSON.stringify(bodies.at(-1)?.messages).length).toBeLessThan(400_000);
  });

  test.each([200, 40_000])(
    '%i at once where 50 are allowed end the run before the first is sent',
    async (count) => {
      const toolCalls = Array.from({ length: count }, () => ({
        type: 'function',
        function: { name: WRITE, arguments: '{}' },
      }));
      const fault = rawAnswer({ content: null, tool_calls: toolCalls }, {}, 'tool_calls');
      const { run, sent, calls: made } = await drive(bellhop, [{ fault }], { limits: { maxToolCalls: 50 } });
      expect(run).toMatchObject({ status: 'failed', error: { code: 'limit_tool_calls' } });
      expect(sent).toBe(0);
      expect(made.length).toBeLessThanOrEqual(501);
    },
  );
});
