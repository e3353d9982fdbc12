import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ModelFailure } from '../../model/failure.ts';
import type { ChatMessage, CompletionRequest } from '../../model/port.ts';
import { FINISH_REASONS } from '../../model/port.ts';
import { readAnswer } from '../../model/read-answer.ts';
import { readToolCalls } from '../../model/read-tool-calls.ts';

const request: CompletionRequest = { model: null, messages: [{ role: 'user', content: 'Hi' }], tools: [] };
const call = (id: unknown, name: unknown, text: unknown = '{}') => ({
  id,
  type: 'function',
  function: { name, arguments: text },
});
const answer = (message: unknown, finish: unknown = 'stop') => ({
  choices: [{ message, finish_reason: finish }],
});

/** Values near the real shape: each known key holds what it should, or anything. */
const odd = (right: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 3, arbitrary: right }, { weight: 1, arbitrary: fc.jsonValue() });
const wireCall = odd(
  fc.record(
    {
      id: odd(fc.string()),
      type: odd(fc.constantFrom('function', 'custom')),
      function: odd(
        fc.record(
          { name: odd(fc.string()), arguments: odd(fc.string({ unit: 'binary' })) },
          { requiredKeys: [] },
        ),
      ),
    },
    { requiredKeys: [] },
  ),
);
const wireAnswer = odd(
  fc.record({
    model: odd(fc.string()),
    choices: odd(
      fc.array(
        odd(
          fc.record({
            finish_reason: odd(fc.constantFrom('stop', 'tool_calls', 'function_call', 'length', 'new')),
            message: odd(
              fc.record({
                content: odd(fc.string({ unit: 'binary' })),
                refusal: odd(fc.constant(null)),
                tool_calls: odd(fc.array(wireCall)),
                function_call: odd(fc.record({ name: odd(fc.string()), arguments: odd(fc.string()) })),
              }),
            ),
          }),
        ),
      ),
    ),
    usage: odd(fc.record({ prompt_tokens: odd(fc.nat()), completion_tokens: odd(fc.nat()) })),
  }),
);

describe('reading an answer', () => {
  test('ends in a sound completion or a ModelFailure, whatever came', () => {
    let completions = 0;
    fc.assert(
      fc.property(wireAnswer, (wire) => {
        try {
          const completion = readAnswer(wire, request, 'm');
          completions += 1;
          const ids = completion.toolCalls.map(({ id }) => id);
          expect(new Set(ids).size).toBe(ids.length);
          for (const { id, name, arguments: text } of completion.toolCalls) {
            expect(id).toMatch(/^[A-Za-z0-9_-]{1,40}$/);
            expect(name).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
            expect(text.isWellFormed() && !text.includes('\0')).toBe(true);
          }
          expect(completion.content ?? '').not.toContain('\0');
          expect(FINISH_REASONS).toContain(completion.finishReason);
          expect(completion.usage.inputTokens).toBeGreaterThanOrEqual(0);
          expect(Number.isInteger(completion.usage.outputTokens)).toBe(true);
        } catch (error) {
          if (!(error instanceof ModelFailure)) throw error;
          expect(['bad_answer', 'transient']).toContain(error.kind);
        }
      }),
      { numRuns: 2_000 },
    );
    expect(completions).toBeGreaterThan(100);
  });

  test.each<[unknown, string, string]>([
    [{ error: { code: 429, message: 'slow' } }, 'rate_limited', '429'],
    [{ error: { code: 502 } }, 'transient', '502'],
    [{ error: { code: 'insufficient_quota' } }, 'config', 'insufficient_quota'],
    [{ error: { type: 'content_filter' } }, 'refused', 'content_filter'],
    [{ error: 'overloaded' }, 'transient', 'null'],
    [{ error: null }, 'transient', 'null'],
    [{ status: 'maintenance' }, 'transient', 'not_a_completion'],
    ['data: {"choices":[{"delta":{"content":"x"}}]}\n\ndata: [DONE]', 'transient', 'invalid_json'],
    [[], 'transient', 'not_an_object'],
    [{ choices: [] }, 'bad_answer', 'no_choices'],
    [{ choices: [{}] }, 'bad_answer', 'no_message'],
  ])('takes %j for %s', (wire, kind, code) => {
    expect(() => readAnswer(wire, request, 'm')).toThrow(
      expect.objectContaining({ kind, code: code === 'null' ? null : code }),
    );
  });

  test('takes the one function_call of older servers for a call, and no final answer', () => {
    const wire = answer(
      { content: null, function_call: { name: 'T', arguments: '{"x":1}' } },
      'function_call',
    );
    expect(readAnswer(wire, request, 'm')).toMatchObject({
      finishReason: 'tool_calls',
      toolCalls: [{ name: 'T', arguments: '{"x":1}' }],
    });
    expect(() => readAnswer(answer({ content: null }, 'function_call'), request, 'm')).toThrow(
      /no_readable_calls/,
    );
  });

  test('reads the first of several choices', () => {
    const [first] = answer({ content: 'one' }).choices;
    const [second] = answer({ content: 'two' }).choices;
    expect(readAnswer({ choices: [first, second] }, request, 'm').content).toBe('one');
  });

  test('reads an answer that came as text', () => {
    expect(readAnswer(JSON.stringify(answer({ content: 'Hello' })), request, 'm').content).toBe('Hello');
    expect(() => readAnswer('<html>', request, 'm')).toThrow(ModelFailure);
  });

  test('joins the text parts that some servers send', () => {
    expect(
      readAnswer(answer({ content: [{ type: 'text', text: 'a' }, { text: 'b' }, 3] }), request, 'm').content,
    ).toBe('ab');
  });

  test('does not take announced calls that cannot be read for a final answer', () => {
    expect(() => readAnswer(answer({ content: null }, 'tool_calls'), request, 'm')).toThrow(
      /no_readable_calls/,
    );
    expect(() => readAnswer(answer({ content: null, tool_calls: [call('a', '')] }), request, 'm')).toThrow(
      /no_readable_calls/,
    );
    expect(readAnswer(answer({ content: 'Yes' }, 'tool_calls'), request, 'm').finishReason).toBe('stop');
  });

  test('counts no usage that is no count', () => {
    for (const bad of [0, -1, 1.5, '3', 1e12, Number.NaN, Infinity, null]) {
      const { usage } = readAnswer(
        { ...answer({ content: 'four' }), usage: { prompt_tokens: bad, completion_tokens: bad } },
        request,
        'm',
      );
      expect(usage.outputTokens).toBe(1);
      expect(usage.inputTokens).toBeGreaterThan(5);
    }
  });
});

describe('reading tool calls', () => {
  test('counts an entry that is there twice as one call', () => {
    expect(readToolCalls([call('a', 'T', '{"x":1}'), call('a', 'T', '{"x":1}')], [])).toHaveLength(1);
  });

  test('keeps two equal calls that have ids of their own', () => {
    expect(readToolCalls([call('a', 'T'), call('b', 'T')], []).map(({ id }) => id)).toEqual(['a', 'b']);
  });

  test('gives a new id to a call whose id an earlier turn has used', () => {
    const earlier: readonly ChatMessage[] = [
      {
        role: 'assistant',
        content: null,
        toolCalls: [
          { id: 'a', name: 'T', arguments: '{}' },
          { id: 'a_2', name: 'T', arguments: '{}' },
        ],
      },
    ];
    expect(readToolCalls([call('a', 'T')], earlier).map(({ id }) => id)).toEqual(['a_3']);
  });

  test('makes ids for calls that have none or an unsafe one, the same each time', () => {
    const read = () =>
      readToolCalls([call(undefined, 'T'), call('../x', 'T'), call('a'.repeat(41), 'T')], []).map(
        ({ id }) => id,
      );
    expect(read()).toEqual(['call_0_0', 'call_0_1', 'call_0_2']);
    expect(read()).toEqual(read());
  });

  test('takes arguments as text, as an object, or as nothing', () => {
    const texts = readToolCalls(
      [call('a', 'T', '{"x":'), call('b', 'T', { x: 1 }), call('c', 'T', null), call('d', 'T', '')],
      [],
    );
    expect(texts.map((one) => one.arguments)).toEqual(['{"x":', '{"x":1}', '{}', '{}']);
  });

  test('reads no more calls than would end any run, and arguments nested without end', () => {
    const many = Array.from({ length: 100_000 }, (_, i) => call(`c${i}`, 'T'));
    expect(readToolCalls(many, [])).toHaveLength(501);
    let deep: unknown = 1;
    for (let i = 0; i < 20_000; i += 1) deep = [deep];
    expect(readToolCalls([call('a', 'T', deep)], [])[0]?.arguments).toContain('[cut: nested too deeply]');
  });

  test('leaves out calls of another type and calls without a name', () => {
    expect(
      readToolCalls(
        [{ id: 'a', type: 'custom', custom: { name: 'T', input: '' } }, call('b', 7), null, 'x'],
        [],
      ),
    ).toEqual([]);
  });
});
