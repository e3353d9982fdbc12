/** A model's own text of arguments: an object, or words about why it is none. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ToolCallArgumentsError, parseToolArguments } from '../../activities/tool-arguments.ts';
import { canonicalJson } from '../../domain/json.ts';

describe('arguments', () => {
  test.each([
    ['', {}],
    ['  \n', {}],
    ['{}', {}],
    ['{"a":[1,{"b":null}]}', { a: [1, { b: null }] }],
  ])('%j are an object', (text, value) => {
    expect(parseToolArguments(text)).toEqual(value);
  });

  test.each([
    ['{"a":', /not valid JSON/],
    ['{"a":1}}', /not valid JSON/],
    ['nothing', /not valid JSON/],
    ['[1]', /must be a JSON object/],
    ['"{}"', /must be a JSON object/],
    ['null', /must be a JSON object/],
    ['7', /must be a JSON object/],
    [`{"a":${'['.repeat(100)}${']'.repeat(100)}}`, /nested too deeply/],
    [`{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, /nested too deeply/],
  ])('%.20j are refused in words', (text, why) => {
    expect(() => parseToolArguments(text)).toThrow(ToolCallArgumentsError);
    expect(() => parseToolArguments(text)).toThrow(why);
  });

  test('of any text are an object that can be digested, or refused: nothing else happens', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (text) => {
        try {
          expect(canonicalJson(parseToolArguments(text))).toMatch(/^\{/);
        } catch (error) {
          expect(error).toBeInstanceOf(ToolCallArgumentsError);
        }
      }),
    );
  });
});
