/** What a model may answer beside calls: nothing, refusals, half answers, odd counts, more than fits. The run goes on or ends as told, never wedged. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Run } from '../../db/runs.ts';
import type { ScriptedAnswer } from '../../sandbox/model/protocol.ts';
import { grammarErrors } from '../activities/grammar.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { GOOD, READ, TOOLS, WRITE, calls, drive, rawAnswer, wireCall } from './hostile.ts';

let bellhop: TestBellhop;
beforeAll(async () => {
  bellhop = await startTestBellhop();
});
afterAll(() => bellhop.close());

// On a machine so busy that a heartbeat comes too late, Temporal begins a second attempt, which asks again.
describe('an answer', { retry: 2 }, () => {
  type Expected = { status: Run['status']; code?: string; output?: string; asked?: number };
  test.each<[string, ScriptedAnswer, Expected]>([
    ['that says nothing', { fault: { kind: 'null_content' } }, { status: 'completed', output: '', asked: 1 }],
    [
      'that refuses',
      { content: null, refusal: 'No.' },
      { status: 'failed', code: 'model_refused', asked: 1 },
    ],
    [
      'that was cut',
      { content: 'half', finishReason: 'length' },
      { status: 'failed', code: 'model_error', asked: 1 },
    ],
    [
      'that was cut within its calls',
      { toolCalls: [{ name: WRITE, arguments: GOOD }], finishReason: 'length' },
      { status: 'failed', code: 'model_error', asked: 1 },
    ],
    [
      'that was withheld',
      { content: 'x', finishReason: 'content_filter' },
      { status: 'failed', code: 'model_refused', asked: 1 },
    ],
    [
      'that the provider refused',
      { fault: { kind: 'status', status: 400, code: 'content_filter' } },
      { status: 'failed', code: 'model_refused', asked: 1 },
    ],
    [
      'to a context that is too long',
      { fault: { kind: 'status', status: 400, code: 'context_length_exceeded' } },
      { status: 'failed', code: 'model_error', asked: 1 },
    ],
    [
      'with an account that is empty',
      { fault: { kind: 'status', status: 429, code: 'insufficient_quota' } },
      { status: 'failed', code: 'model_error', asked: 1 },
    ],
    [
      'of two choices',
      {
        fault: rawAnswer(
          { content: 'one' },
          { choices: [{ message: { content: 'one' } }, { message: { content: 'two' } }] },
        ),
      },
      { status: 'completed', output: 'one', asked: 1 },
    ],
    [
      'with NUL and half a character',
      { content: 'a\u0000b\ud800' },
      { status: 'completed', output: 'a\uFFFDb\uFFFD', asked: 1 },
    ],
    [
      'without usage',
      { content: 'x', fault: { kind: 'missing_usage' } },
      { status: 'completed', output: 'x', asked: 1 },
    ],
    [
      'that is an event stream, once',
      {
        fault: {
          kind: 'raw',
          body: 'data: {"choices":[]}\n\ndata: [DONE]\n\n',
          contentType: 'text/event-stream',
        },
        times: 1,
        content: 'x',
      },
      { status: 'completed', output: 'x', asked: 2 },
    ],
    [
      'that is an error with status 200, once',
      { fault: { kind: 'raw', body: '{"error":{"code":503}}' }, times: 1, content: 'x' },
      { status: 'completed', output: 'x', asked: 2 },
    ],
  ])('%s ends the run or goes on as told', async (_what, answer, expected) => {
    const { run, asked, effects } = await drive(bellhop, [answer]);
    expect(run.status).toBe(expected.status);
    expect(run.error?.code).toBe(expected.code);
    if (expected.output !== undefined) expect(run.output).toBe(expected.output);
    expect(asked).toBe(expected.asked);
    expect(effects).toBe(0);
  });
});

describe('the token limit', () => {
  test.each([
    ['nothing', undefined],
    ['zero', { prompt_tokens: 0, completion_tokens: 0 }],
    ['less than nothing', { prompt_tokens: -1_000_000, completion_tokens: -1_000_000 }],
    ['words', { prompt_tokens: 'many', completion_tokens: null }],
  ])('is met by a model that counts %s', async (_what, usage) => {
    const fault = rawAnswer(
      { content: 'x'.repeat(4_000), tool_calls: [wireCall(READ, '{}')] },
      { usage },
      'tool_calls',
    );
    const { run } = await drive(
      bellhop,
      Array.from({ length: 20 }, () => ({ fault })),
      { limits: { maxTokens: 5_000 } },
    );
    expect(run).toMatchObject({ status: 'failed', error: { code: 'limit_tokens' } });
    expect(run.usage.modelCalls).toBeLessThan(5);
    expect(run.usage.inputTokens).toBeGreaterThan(100);
  });

  test('is met at once by a model that counts too much, and the run ends in numbers that can be kept', async () => {
    const fault = rawAnswer(
      { content: null, tool_calls: [wireCall(READ, '{}')] },
      { usage: { prompt_tokens: 2_147_483_647, completion_tokens: 1e300 } },
      'tool_calls',
    );
    const { run } = await drive(bellhop, [{ fault }]);
    expect(run).toMatchObject({
      status: 'failed',
      error: { code: 'limit_tokens' },
      usage: { modelCalls: 1 },
    });
  });
});

describe('a request at the edge', () => {
  test('with a task and instructions of 64 kB each, 40 remembered messages and large results, is sent and bounded', async () => {
    const userId = `user-${randomUUID()}`;
    await bellhop.putUser(userId);
    await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
    const threadId = randomUUID();
    const text = 'w '.repeat(32 * 1024).slice(0, 64 * 1024);
    for (let past = 0; past < 3; past += 1) {
      await bellhop.modelSandbox.script({ marker: `p${past}-${userId}`, answers: [{ content: text }] });
      const task = `p${past}-${userId} ${text}`.slice(0, 64 * 1024);
      await bellhop.ended(await bellhop.start({ userId, task, tools: TOOLS, threadId }), 60_000);
    }
    const match = { route: 'tools.execute', userId };
    await bellhop.sandbox.addFault({ match, action: { type: 'huge', bytes: 3_000_000 } });
    const marker = `now-${userId}`;
    const read = calls(...Array.from({ length: 20 }, () => ({ name: READ })));
    await bellhop.modelSandbox.script({ marker, answers: [read, read, { content: 'The end.' }] });
    const task = `${marker} ${text}`.slice(0, 64 * 1024);
    const run = await bellhop.ended(
      await bellhop.start({
        userId,
        task,
        instructions: text,
        tools: TOOLS,
        threadId,
        limits: { maxTokens: 2_000_000 },
      }),
      300_000,
    );
    expect(run).toMatchObject({
      status: 'completed',
      output: 'The end.',
      usage: { modelCalls: 3, toolCalls: 40 },
    });
    const asked = await bellhop.modelSandbox.requests({ marker });
    expect(asked).toHaveLength(3);
    for (const { body } of asked) {
      const { messages } = body as { messages: { role: string; content: string | null }[] };
      expect(grammarErrors(messages)).toEqual([]);
      expect(JSON.stringify(messages).length).toBeLessThan(400_000);
      expect(messages[0]?.content).toContain(text);
      expect(messages.filter((one) => one.role === 'user').at(-1)?.content).toBe(task);
    }
  }, 300_000);
});

describe('any sequence of answers', () => {
  const args = fc.oneof(
    fc.constant(JSON.stringify(GOOD)),
    fc.constant('{'),
    fc.json(),
    fc.string({ unit: 'binary' }),
  );
  const wire = fc.record({
    id: fc.oneof(fc.constantFrom('a', 'b', ''), fc.string()),
    type: fc.constantFrom('function', 'function', 'function', 'custom'),
    function: fc.record({ name: fc.constantFrom(WRITE, READ, 'NOPE', ''), arguments: args }),
  });
  const answer = fc.record({
    content: fc.option(fc.string({ unit: 'binary' })),
    tool_calls: fc.option(fc.array(wire, { maxLength: 12 })),
    finish: fc.constantFrom('tool_calls', 'stop', 'function_call', 'new'),
  });

  test('keeps the transcript in the grammar, ends the run, and executes what was asked once', async () => {
    const sequences = fc.sample(fc.array(answer, { minLength: 1, maxLength: 5 }), {
      numRuns: 16,
      seed: 4711,
    });
    await Promise.all(
      sequences.map(async (sequence) => {
        // Twice at most: what is of no use would be asked for again, as it should, for half a minute.
        const answers = sequence.map(({ finish, ...message }) => ({
          content: 'Enough.',
          fault: rawAnswer(message, {}, finish),
          times: 2,
        }));
        const { run, calls: made, effects } = await drive(bellhop, answers);
        expect(run.status).toBe('completed');
        expect(effects).toBe(made.filter((one) => one.isWrite && one.status === 'done').length);
        expect(made.filter((one) => !['done', 'failed'].includes(one.status))).toEqual([]);
      }),
    );
  }, 300_000);
});
