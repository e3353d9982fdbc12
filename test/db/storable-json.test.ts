/** What domain/json.ts calls storable, asked of PostgreSQL itself. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Json, canonicalJson, storableJson, storableText } from '../../domain/json.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();

test('jsonb takes every storable value, and gives it back equal', async () => {
  const nasty = fc.constantFrom('\0', '\ud800', '\udfff', '\\u0000', '\ud83d\ude00', '\u2028', '"', '\\');
  const text = fc.array(fc.oneof(nasty, fc.string({ maxLength: 3 }))).map((parts) => parts.join(''));
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      text,
      fc.integer(),
      fc.constant(null),
      fc.boolean(),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(text, tie('value'), { maxKeys: 3 }),
    ),
  }));
  await fc.assert(
    fc.asyncProperty(value, async (drawn) => {
      const stored = storableJson(drawn as Json);
      const [row] = await the().raw<{ v: Json }>('select $1::jsonb as v', [stored]);
      expect(canonicalJson(row?.v ?? null)).toBe(canonicalJson(JSON.parse(stored) as Json));
    }),
    { numRuns: 150 },
  );
});

test('without it jsonb refuses NUL and lone surrogates, so the cleaning is needed', async () => {
  for (const text of ['"\\u0000"', '"\\ud800"', '{"\\udfff": 1}']) {
    await expect(the().raw('select $1::jsonb', [text])).rejects.toThrow();
    await expect(
      the().raw('select $1::jsonb', [storableJson(JSON.parse(text) as Json)]),
    ).resolves.toBeDefined();
  }
});

test('text takes every storable text', async () => {
  await expect(the().raw('select $1::text', ['a\0b'])).rejects.toThrow();
  const [row] = await the().raw<{ v: string }>('select $1::text as v', [storableText('a\0b\ud800')]);
  expect(row?.v).toBe('a\uFFFDb\uFFFD');
});
