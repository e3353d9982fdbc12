/** Canonical text: equal values, equal text. Storable text: what PostgreSQL really accepts (test/db/storable-json.test.ts asks it). */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Json,
  MAX_JSON_DEPTH,
  canonicalJson,
  isNestedDeeper,
  storableJson,
  storableText,
} from '../../domain/json.ts';

/** The same value with every object's members in another order. */
function shuffled(value: Json): Json {
  if (Array.isArray(value)) return (value as readonly Json[]).map(shuffled);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value)
        .map(([k, v]) => [k, shuffled(v as Json)] as const)
        .toReversed(),
    );
  }
  return value;
}
/** What a trip through JSON text keeps: -0 is 0 there. */
const jsonValue = fc.jsonValue({ maxDepth: 4 }).map((v) => JSON.parse(JSON.stringify(v)) as Json);

describe('canonicalJson', () => {
  test('is JSON of the same value', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(value);
      }),
    );
  });
  test('does not depend on the order of keys, at any depth', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        expect(canonicalJson(shuffled(value))).toBe(canonicalJson(value));
      }),
    );
  });
  test('differs for different values', () => {
    fc.assert(
      fc.property(jsonValue, jsonValue, (a, b) => {
        const sameText = canonicalJson(a) === canonicalJson(b);
        let sameValue = true;
        try {
          expect(a).toEqual(b);
        } catch {
          sameValue = false;
        }
        expect(sameText).toBe(sameValue);
      }),
    );
  });
  test('keeps the order of arrays, sorts keys by code unit and writes no white space', () => {
    expect(canonicalJson({ b: [2, 1], a: { é: null, Z: true, a: 'x y' }, 10: 1, 9: 0 })).toBe(
      '{"10":1,"9":0,"a":{"Z":true,"a":"x y","é":null},"b":[2,1]}',
    );
  });
  test('keeps a key named __proto__', () => {
    const value = JSON.parse('{"__proto__":{"x":1}}') as Json;
    expect(canonicalJson(value)).toBe('{"__proto__":{"x":1}}');
    expect(canonicalJson(value)).not.toBe(canonicalJson({}));
  });
});

describe('storableJson', () => {
  test('leaves values without NUL and lone surrogates as they are', () => {
    const clean = fc
      .jsonValue({ maxDepth: 3, stringUnit: 'grapheme' })
      .filter((v) => !JSON.stringify(v).includes('\\u0000'));
    fc.assert(
      fc.property(clean, (value) => {
        expect(storableJson(value as Json)).toBe(JSON.stringify(value));
      }),
    );
  });
  test('replaces NUL and lone surrogates, in values and keys at any depth', () => {
    const value: Json = { 'k\0': ['a\0b', { '\ud800': '\udfff!' }], ok: '😀', n: 1 };
    expect(JSON.parse(storableJson(value))).toEqual({
      'k\uFFFD': ['a\uFFFDb', { '\uFFFD': '\uFFFD!' }],
      ok: '😀',
      n: 1,
    });
  });
  test('keeps text that only looks like an escape', () => {
    const value: Json = { path: 'C:\\u0000\\ud800', 'a\0': 1 };
    expect(JSON.parse(storableJson(value))).toEqual({ path: 'C:\\u0000\\ud800', 'a\uFFFD': 1 });
  });
  test('keeps a key named __proto__ beside a NUL', () => {
    expect(storableJson(JSON.parse('{"__proto__":{"x":"\\u0000"}}') as Json)).toBe(
      '{"__proto__":{"x":"\uFFFD"}}',
    );
  });
  test('reads back equal when applied twice', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 2, stringUnit: 'binary' }), (value) => {
        const once = storableJson(value as Json);
        expect(storableJson(JSON.parse(once) as Json)).toBe(once);
      }),
    );
  });
});

describe('storableText', () => {
  test('replaces NUL and lone surrogates and nothing else', () => {
    expect(storableText('a\0b\ud83d c 😀')).toBe('a\uFFFDb\uFFFD c 😀');
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        if (!text.includes('\0')) expect(storableText(text)).toBe(text);
      }),
    );
  });
});

describe('a value that no parser would take', () => {
  const nested = (levels: number): Json => {
    let value: Json = 'core';
    for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { a: value };
    return value;
  };

  test.each([501, 5_000, 100_000])('of %i levels is kept to the 500th, with a note of the cut', (levels) => {
    const text = storableJson(nested(levels));
    expect(text).toContain('[cut: nested too deeply]');
    expect(text).not.toContain('core');
    expect(isNestedDeeper(JSON.parse(text) as Json, MAX_JSON_DEPTH)).toBe(false);
  });

  test('of 500 levels is kept whole', () => {
    expect(storableJson(nested(500))).toBe(JSON.stringify(nested(500)));
    expect(isNestedDeeper(nested(500), 500)).toBe(false);
    expect(isNestedDeeper(nested(501), 500)).toBe(true);
  });

  test('of more than four million parts is kept as one string that holds all of it', () => {
    const parts = Array.from({ length: 4_000_001 }, () => 1);
    expect(JSON.parse(storableJson(parts))).toBe(JSON.stringify(parts));
    expect(storableJson(parts.slice(1))).toBe(JSON.stringify(parts.slice(1)));
  });
});
