/** What arguments may pass to a tool: nothing that its schema does not declare, at any depth, through any combinator. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../domain/json.ts';
import { createArgumentChecker } from '../../composio/arguments.ts';
import { ComposioFailure } from '../../composio/failure.ts';
import { withoutFileParameters } from '../../composio/close-schema.ts';
import { tool } from './fixtures.ts';

/** The refusal's message, or null when the arguments pass. */
function refusalOf(parameters: JsonObject, args: unknown, checker = createArgumentChecker()): string | null {
  try {
    checker.check(tool({ parameters }), args as JsonObject);
    return null;
  } catch (error) {
    if (
      error instanceof ComposioFailure &&
      error.kind === 'invalid_arguments' &&
      error.outcome === 'not_sent'
    ) {
      return error.message;
    }
    throw error;
  }
}
const string = { type: 'string' };
const object = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({
  type: 'object',
  properties,
  ...more,
});

describe('closed schemas', () => {
  const nested = object({
    to: { type: 'array', items: object({ name: string, at: object({ street: string }) }) },
  });
  const reused = object(
    {
      home: { $ref: '#/$defs/Address' },
      work: { allOf: [{ $ref: '#/$defs/Address' }, object({ floor: string })] },
    },
    { $defs: { Address: object({ street: string }) } },
  );
  const union = object({
    block: { anyOf: [object({ text: string }), object({ image: string }), { type: 'null' }] },
  });
  const chosen = object(
    { kind: string },
    { oneOf: [object({ a: string }, { required: ['a'] }), object({ b: string }, { required: ['b'] })] },
  );
  const tree = object(
    { root: { $ref: '#/definitions/Node' } },
    {
      definitions: {
        Node: object({ name: string, children: { type: 'array', items: { $ref: '#/definitions/Node' } } }),
      },
    },
  );
  it.each([
    ['root', object({ a: string }), { a: 'x' }, { a: 'x', b: 1 }],
    [
      'root that says additionalProperties: true',
      object({ a: string }, { additionalProperties: true }),
      { a: 'x' },
      { b: 1 },
    ],
    ['root without parameters', object({}), {}, { a: 1 }],
    ['root that says nothing', { type: 'object' }, {}, { a: 1 }],
    ['array items', nested, { to: [{ name: 'n' }] }, { to: [{ name: 'n', x: 1 }] }],
    ['objects in array items', nested, { to: [{ at: { street: 's' } }] }, { to: [{ at: { zip: 1 } }] }],
    ['references', reused, { home: { street: 's' } }, { home: { street: 's', x: 1 } }],
    ['allOf of a reference', reused, { work: { street: 's', floor: '1' } }, { work: { street: 's', x: 1 } }],
    ['anyOf', union, { block: { image: 'i' } }, { block: { image: 'i', x: 1 } }],
    ['oneOf beside properties', chosen, { kind: 'k', a: 'x' }, { kind: 'k', a: 'x', c: 1 }],
    [
      'recursive references',
      tree,
      { root: { children: [{ name: 'n' }] } },
      { root: { children: [{ nam: 'n' }] } },
    ],
    [
      'map values',
      object({ m: { type: 'object', additionalProperties: object({ v: string }) } }),
      { m: { k: { v: 'x' } } },
      { m: { k: { w: 'x' } } },
    ],
    [
      'schemas that another key brings in',
      object({ k: string }, { dependentSchemas: { k: object({ t: string }) } }),
      { k: 'k', t: 't' },
      { k: 'k', u: 1 },
    ],
    [
      'else branches',
      object({ k: string }, { if: { required: ['z'] }, else: object({ t: string }) }),
      { k: 'k', t: 't' },
      { k: 'k', u: 1 },
    ],
  ] as [string, JsonObject, unknown, unknown][])(
    'refuses undeclared keys in %s, and nothing declared',
    (_where, schema, good, bad) => {
      expect(refusalOf(schema, good)).toBeNull();
      expect(refusalOf(schema, bad)).not.toBeNull();
    },
  );

  it.each([
    [
      'an object without declared properties',
      object({ meta: { type: 'object' } }),
      { meta: { any: { thing: [1] } } },
    ],
    ['one with an empty list of properties', object({ meta: object({}) }), { meta: { any: 1 } }],
    ['a map', object({ m: { type: 'object', additionalProperties: string } }), { m: { any: 'x' } }],
    [
      'declared properties beside a declared map',
      object({ a: string }, { additionalProperties: { type: 'integer' } }),
      { a: 'x', b: 1 },
    ],
    ['a value of any type', object({ v: {} }), { v: { any: 1 } }],
    [
      'any object as an alternative',
      object({ v: { anyOf: [object({ a: string }), { type: 'object' }] } }),
      { v: { b: 1 } },
    ],
    ['a root that says it is free-form', { type: 'object', additionalProperties: true }, { any: 1 }],
  ] as [string, JsonObject, unknown][])('leaves %s free-form', (_what, schema, args) => {
    expect(refusalOf(schema, args)).toBeNull();
  });

  it('does not change what `if` and `not` ask', () => {
    const schema = object(
      { a: string, b: string },
      { not: object({ a: { const: 'x' } }, { required: ['a'] }) },
    );
    expect(refusalOf(schema, { a: 'y', b: 'z' })).toBeNull();
    expect(refusalOf(schema, { a: 'x', b: 'z' })).not.toBeNull();
  });
});

describe('keys that no schema may allow', () => {
  const free = object({ meta: { type: 'object' }, list: { type: 'array' } });
  it.each([
    ['a file key', { meta: { x_schema_parsed_file: '/etc/passwd' } }],
    [
      'a file key deep down',
      { list: [[{ a: { b: [{ photo_schema_parsed_file: 'http://169.254.169.254' }] } }]] },
    ],
    ['a file key in capitals', { meta: { X_SCHEMA_PARSED_FILE: '/etc/passwd' } }],
    ['the suffix alone', { meta: { _schema_parsed_file: '/etc/passwd' } }],
    ['__proto__', JSON.parse('{"meta":{"__proto__":{"a":1}}}')],
    ['constructor', { meta: { constructor: 1 } }],
    ['prototype', { list: [{ prototype: 1 }] }],
  ])('refuses %s in free-form objects', (_what, args) => {
    expect(refusalOf(free, args)).toContain('not allowed');
  });

  it('refuses a file key even when the schema declares it', () => {
    expect(refusalOf(object({ f_schema_parsed_file: string }), { f_schema_parsed_file: '/x' })).toContain(
      'not allowed',
    );
  });

  it('lets NUL characters and values that look like such keys pass', () => {
    expect(refusalOf(object({ a: string }), { a: 'x\u0000 __proto__ y_schema_parsed_file' })).toBeNull();
  });

  it('refuses what is no object, too deep or too large, without exhausting the stack', () => {
    for (const args of [null, [], 'x', 7]) expect(refusalOf(free, args)).toContain('must be an object');
    let deep: unknown = 1;
    for (let i = 0; i < 20_000; i++) deep = [deep];
    expect(refusalOf(free, { list: deep })).toContain('deeper');
    expect(refusalOf(free, { list: Array.from({ length: 100_001 }, () => 1) })).toContain('values');
  });
});

describe('checking', () => {
  it('coerces nothing and fills in nothing', () => {
    const schema = object({ n: { type: 'integer' }, d: { type: 'string', default: 'x' } });
    expect(refusalOf(schema, { n: '7' })).not.toBeNull();
    const args = {};
    expect(refusalOf(schema, args)).toBeNull();
    expect(args).toEqual({});
  });

  it('says which path and why, names what is known, and never quotes a long value', () => {
    const schema = object(
      { to: { type: 'array', items: object({ mail: string }) }, mode: { enum: ['a', 'b'] } },
      { required: ['to'] },
    );
    expect(refusalOf(schema, { to: [{ mail: 7 }], mode: 'secret'.repeat(1_000) })).toBe(
      'Invalid arguments for SLACK_SEND_MESSAGE: /to/0/mail: must be string; /mode: must be one of "a", "b"',
    );
    expect(refusalOf(schema, { mode: 'a' })).toContain('"to" is missing');
    const message = refusalOf(schema, { to: [], ['k'.repeat(10_000)]: 1 }) ?? '';
    expect(message).toContain('known are to, mode');
    expect(message.length).toBeLessThan(300);
  });

  it('checks by the schema that is given, not by an older one of the same slug and version', () => {
    const checker = createArgumentChecker();
    expect(refusalOf(object({ a: string }), { a: 'x' }, checker)).toBeNull();
    expect(refusalOf(object({ b: string }), { a: 'x' }, checker)).not.toBeNull();
    expect(refusalOf(object({ b: string }), { b: 'x' }, checker)).toBeNull();
  });

  it.each([
    [
      'an older draft',
      {
        $schema: 'http://json-schema.org/draft-04/schema#',
        id: 'x',
        ...object({ a: { type: 'integer', minimum: 1, exclusiveMinimum: true } }),
      },
      { a: 2 },
      { a: 1 },
    ],
    [
      'a tuple in the old form',
      object({ t: { type: 'array', items: [string, { type: 'integer' }] } }),
      { t: ['x', 1] },
      { t: ['x', 'y'] },
    ],
    ['nullable', object({ a: { type: 'string', nullable: true, enum: ['x'] } }), { a: null }, { a: 'y' }],
    [
      'a pattern of another engine',
      object({ a: { type: 'string', pattern: '(?P<x>a)' } }),
      { a: 'b' },
      { a: 1 },
    ],
    [
      'keywords that are null',
      object({ a: { type: 'string', maxLength: null, enum: null, description: null } }),
      { a: 'x' },
      { a: 1 },
    ],
    ['a type of another language', object({ a: { type: 'file' }, b: string }), { a: 1 }, { b: 1 }],
    [
      'an empty enum and required as a flag',
      object({ a: { type: 'string', enum: [], required: true } }),
      { a: 'x' },
      { a: 1 },
    ],
    ['the same $id as another tool', { $id: 'https://x/y', ...object({ a: string }) }, { a: 'x' }, { a: 1 }],
  ] as [string, JsonObject, unknown, unknown][])('understands %s', (_what, schema, good, bad) => {
    const checker = createArgumentChecker();
    checker.check(tool({ slug: 'OTHER', parameters: { $id: 'https://x/y', ...object({ z: string }) } }), {});
    expect(refusalOf(schema, good, checker)).toBeNull();
    expect(refusalOf(schema, bad, checker)).not.toBeNull();
  });

  it('refuses a tool whose schema cannot be checked, rather than sending unchecked', () => {
    expect(refusalOf(object({ a: { $ref: '#/$defs/none' } }), {})).toContain('cannot be checked');
    expect(refusalOf(object({ a: { $ref: 'https://elsewhere/schema' } }), {})).toContain('cannot be checked');
  });
});

describe('withoutFileParameters', () => {
  it('takes file parameters out at every depth, from `required` too, and nothing else', () => {
    const file = { type: 'string', file_uploadable: true };
    const schema = object(
      {
        text: string,
        file,
        rows: { type: 'array', items: object({ image: file, alt: string }, { required: ['image', 'alt'] }) },
      },
      { required: ['text', 'file'] },
    );
    expect(withoutFileParameters(schema)).toEqual(
      object(
        { text: string, rows: { type: 'array', items: object({ alt: string }, { required: ['alt'] }) } },
        { required: ['text'] },
      ),
    );
  });
});
