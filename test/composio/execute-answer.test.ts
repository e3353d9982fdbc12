/** What is read from the answer to an execution, to the letter: numbers, verdicts, errors of any shape. */
import { describe, expect, it } from 'vitest';
import { readExecuteAnswer } from '../../composio/execute-answer.ts';
import { ComposioFailure } from '../../composio/failure.ts';

const read = (text: string) =>
  readExecuteAnswer({ status: 200, headers: new Headers(), text, requestId: 'req' });
const data = (json: string) => read(`{"successful":true,"data":${json}}`).data;

describe('numbers', () => {
  it.each([
    ['1234567890123456789', '1234567890123456789'],
    ['-1234567890123456789', '-1234567890123456789'],
    ['9007199254740993', '9007199254740993'],
    ['1e400', '1e400'],
    ['-1e999', '-1e999'],
    ['9007199254740992', 9_007_199_254_740_992],
    ['10000000000000000', 10_000_000_000_000_000],
    ['1e300', 1e300],
    ['1e-400', 0],
    ['0.12345678901234567890', 0.123_456_789_012_345_68],
    ['17', 17],
  ])('%s comes as %j', (json, value) => {
    expect(data(json)).toBe(value);
    expect(data(`{"deep":[{"id":${json}}]}`)).toEqual({ deep: [{ id: value }] });
  });

  it('in strings and keys are left alone', () => {
    expect(data('{"1234567890123456789":"1234567890123456789 1e400"}')).toEqual({
      '1234567890123456789': '1234567890123456789 1e400',
    });
  });

  it('stand beside any nesting: what a reviver cannot walk is read without it', () => {
    const deep = `${'['.repeat(50_000)}1234567890123456789${']'.repeat(50_000)}`;
    expect(Array.isArray(data(deep))).toBe(true);
  });
});

describe('an answer', () => {
  it('keeps __proto__ as a member like any other', () => {
    const value = data('{"__proto__":{"polluted":1},"id":1234567890123456789}') as object;
    expect(Object.keys(value)).toEqual(['__proto__', 'id']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it.each([
    ['{"successful":false,"error":null}', null],
    ['{"successful":false,"error":{"code":1}}', '{"code":1}'],
    ['{"successful":false,"error":["a"]}', '["a"]'],
    ['{"successful":false,"error":7}', '7'],
  ])('%s has the error %j', (text, error) => {
    expect(read(text)).toMatchObject({ successful: false, error });
  });

  it('has at most 4,000 characters of error, however deep or long it is', () => {
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    expect(read(`{"successful":false,"error":${deep}}`).error?.length).toBeLessThanOrEqual(4_000);
    expect(read(`{"successful":false,"error":"${'x'.repeat(9_000)}"}`).error).toHaveLength(4_000);
  });

  it.each([
    '',
    'null',
    '[]',
    '7',
    '"text"',
    '{}',
    '{"successful":"true"}',
    '{"successful":1}',
    '{"successful":tr',
  ])('%j is one whose outcome nobody knows', (text) => {
    expect(() => read(text)).toThrow(ComposioFailure);
    expect(() => read(text)).toThrow(expect.objectContaining({ kind: 'transient', outcome: 'unknown' }));
  });
});
