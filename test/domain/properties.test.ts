/** Properties of the pure parts: for all values, not for examples. FAST_CHECK_RUNS multiplies how many are tried. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasAttemptCookie, makeAttemptCookie } from '../../api/connect/attempt-cookie.ts';
import { callDigest } from '../../db/call-digest.ts';
import { newId, newSecret, sha256 } from '../../db/ids.ts';
import { DURATION_PATTERN, parseDuration } from '../../domain/duration.ts';
import { type Json, type JsonObject, canonicalJson } from '../../domain/json.ts';
import { isUserId, toEntityId } from '../../domain/user-id.ts';
import { flowWorkflowId, runWorkflowId } from '../../workflows/messages.ts';
import { runs } from '../setup/property-runs.ts';

/** What a trip through JSON text keeps: -0 is 0 there. */
const json = fc
  .jsonValue({ maxDepth: 4, stringUnit: 'binary' })
  .map((value) => JSON.parse(JSON.stringify(value)) as Json);
const object = fc
  .dictionary(fc.string({ unit: 'binary', maxLength: 6 }), json, { maxKeys: 6 })
  .map((value) => JSON.parse(JSON.stringify(value)) as JsonObject);
/** The same value, its members in an order drawn by `seed`, at every depth. */
function shuffled(value: Json, seed: number): Json {
  if (Array.isArray(value)) return (value as readonly Json[]).map((inner) => shuffled(inner, seed));
  if (value === null || typeof value !== 'object') return value;
  const members = Object.entries(value).map(
    ([name, inner]) => [name, shuffled(inner as Json, seed)] as const,
  );
  return Object.fromEntries(members.toSorted(([a], [b]) => hash(a, seed) - hash(b, seed)));
}
const hash = (text: string, seed: number): number => sha256(`${seed} ${text}`).readInt32BE();
/** Equality that knows nothing of digests. */
function isSame(a: Json, b: Json): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((inner, i) => isSame(inner as Json, b[i] as Json));
  if (
    Array.isArray(a) ||
    Array.isArray(b) ||
    a === null ||
    b === null ||
    typeof a !== 'object' ||
    typeof b !== 'object'
  )
    return a === b;
  const [mine, theirs] = [a as JsonObject, b as JsonObject];
  const names = Object.keys(mine);
  return (
    names.length === Object.keys(theirs).length &&
    names.every((name) => Object.hasOwn(theirs, name) && isSame(mine[name] ?? null, theirs[name] ?? null))
  );
}

describe('the digest of a call', () => {
  const call = fc.record({
    tool: fc.constantFrom('A_B', 'A_C'),
    arguments: object,
    accountId: fc.constantFrom('ca_1', 'ca_2', null),
  });
  const digest = /^[0-9a-f]{64}$/;

  it('is the same for the same value, however its members are ordered or its text was written', () => {
    fc.assert(
      fc.property(call, fc.nat(), (one, seed) => {
        const other = {
          ...one,
          arguments: JSON.parse(JSON.stringify(shuffled(one.arguments, seed), null, seed % 4)) as JsonObject,
        };
        expect(callDigest(other)).toBe(callDigest(one));
        expect(callDigest(one)).toMatch(digest);
      }),
      runs(300),
    );
  });

  it('differs as soon as tool, account or any value differs', () => {
    fc.assert(
      fc.property(call, call, (one, other) => {
        const same =
          one.tool === other.tool &&
          one.accountId === other.accountId &&
          isSame(one.arguments, other.arguments);
        expect(callDigest(one) === callDigest(other)).toBe(same);
      }),
      runs(500),
    );
  });

  it('is not fooled by parts that read the same when they are put together', () => {
    const of = (tool: string, args: JsonObject, accountId: string | null) =>
      callDigest({ tool, arguments: args, accountId });
    const all = [
      of('A', {}, null),
      of('A', {}, ''),
      of('A', {}, 'null'),
      of('A","account":"x', {}, null),
      of('A', { account: 'x' }, null),
      of('A', { account: null }, null),
      of('A', { '': 1 }, null),
      of('A', { a: '1' }, null),
      of('A', { a: 1 }, null),
      of('A', { a: [1] }, null),
      of('A', { a: true }, null),
      of('A', { a: 'true' }, null),
      of('A', { a: 'é' }, null),
      of('A', { a: 'e\u0301' }, null),
      of('A', { a: '\\u00e9' }, null),
      of('A', { a: 1e21 }, null),
      of('A', { a: '1e21' }, null),
    ];
    expect(new Set(all).size).toBe(all.length);
    expect(of('A', { a: 1.0, b: 1e2 }, null)).toBe(of('A', { b: 100, a: 1 }, null));
    expect(of('A', { a: -0 }, null)).toBe(of('A', { a: 0 }, null));
  });

  it('stands on text that is JSON of the same value, sorted, with no space outside of strings', () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = canonicalJson(value);
        expect(isSame(JSON.parse(text) as Json, value)).toBe(true);
        expect(canonicalJson(JSON.parse(text) as Json)).toBe(text);
        expect(text.replaceAll(/"(?:[^"\\]|\\.)*"/gs, '')).not.toMatch(/\s/);
      }),
      runs(300),
    );
  });
});

describe('ids', () => {
  const anyText = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.stringMatching(/^[A-Za-z0-9._~@-]{0,130}$/),
    fc.constantFrom('default', '.', '..', '', 'Default', 'default ', ' default'),
  );

  it('of users are accepted exactly as the grammar says, and no accepted one can step out of a path, a list or a statement', () => {
    const alphabet = new Set('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~@-');
    fc.assert(
      fc.property(anyText, (text) => {
        const characters = Array.from(text);
        const isMeant =
          characters.length >= 1 &&
          characters.length <= 128 &&
          characters.every((c) => alphabet.has(c)) &&
          !['default', '.', '..'].includes(text);
        expect(isUserId(text)).toBe(isMeant);
        if (!isMeant) {
          expect(() => toEntityId(text)).toThrow(RangeError);
          return;
        }
        expect(new URL(`http://x/a/${text}/b`).pathname).toBe(`/a/${text}/b`);
        expect(text).not.toMatch(/[,'"\\\s:/?#%]/);
      }),
      runs(1_000),
    );
  });

  it('of two users never become one entity', () => {
    fc.assert(
      fc.property(anyText, anyText, (a, b) => {
        if (isUserId(a) && isUserId(b)) expect(toEntityId(a) === toEntityId(b)).toBe(a === b);
      }),
      runs(500),
    );
  });

  it('of workflows name one run or one flow each', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.uuid(), (a, b) => {
        const ids = [runWorkflowId(a), runWorkflowId(b), flowWorkflowId(a), flowWorkflowId(b)];
        expect(new Set(ids).size).toBe(a === b ? 2 : 4);
      }),
      runs(100),
    );
  });

  it('that we make are long, never the same, and fit into a path as they are', () => {
    const made = Array.from({ length: 1_000 }, () => [newId(), newSecret()]).flat();
    expect(new Set(made).size).toBe(made.length);
    for (const id of made) expect(encodeURIComponent(id)).toBe(id);
    // 32 bytes.
    expect(newSecret().length).toBeGreaterThanOrEqual(43);
  });
});

describe("an attempt's cookie", () => {
  const attemptId = fc.uuid();
  const secret = fc.string({
    unit: fc.constantFrom(...'abcXYZ019-_'.split('')),
    minLength: 43,
    maxLength: 43,
  });
  const other = fc.stringMatching(/^[\w-]{1,20}=[\w.~-]{0,60}$/);
  const publicUrl = fc.constantFrom('http://localhost:8080', 'https://bellhop.example');

  it('is found among any others, wherever it stands, and only with its own secret and name', () => {
    fc.assert(
      fc.property(
        publicUrl,
        attemptId,
        secret,
        secret,
        fc.array(other, { maxLength: 8 }),
        fc.nat(),
        (url, id, own, wrong, others, at) => {
          const pair = makeAttemptCookie(url, id, own).split(';')[0] ?? '';
          const attempt = { id, cookieHash: sha256(own) };
          const header = others.toSpliced(at % (others.length + 1), 0, pair).join('; ');
          expect(hasAttemptCookie(header, url, attempt)).toBe(true);
          expect(hasAttemptCookie(others.join('; '), url, attempt)).toBe(false);
          expect(hasAttemptCookie(header, url, { ...attempt, id: `${id}0` })).toBe(false);
          if (wrong !== own)
            expect(hasAttemptCookie(header.replaceAll(own, wrong), url, attempt)).toBe(false);
          // A page of plain http cannot plant the cookie of the secure one.
          if (url.startsWith('https'))
            expect(hasAttemptCookie(header.replaceAll('__Host-', ''), url, attempt)).toBe(false);
        },
      ),
      runs(300),
    );
  });

  it('is not found in any text at all, and no text is too odd to be read', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), attemptId, secret, (header, id, own) => {
        expect(hasAttemptCookie(header, 'https://x.example', { id, cookieHash: sha256(own) })).toBe(false);
      }),
      runs(300),
    );
  });
});

describe('a duration', () => {
  const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  const unit = fc.constantFrom(...Object.keys(UNITS));

  it('is its number times its unit, in whole milliseconds, whatever zeros lead', () => {
    fc.assert(
      fc.property(fc.nat(999_999_999), unit, fc.nat(3), (n, name, zeros) => {
        const digits = '0'.repeat(Math.min(zeros, 9 - String(n).length)) + String(n);
        const ms = parseDuration(digits + name);
        expect(ms).toBe(n * (UNITS[name] ?? Number.NaN));
        expect(Number.isInteger(ms)).toBe(true);
      }),
      runs(300),
    );
  });

  it('is nothing else', () => {
    const nearly = fc.tuple(
      fc.string({ unit: 'binary', maxLength: 3 }),
      fc.nat(99),
      fc.string({ maxLength: 2 }),
      unit,
      fc.string({ unit: 'binary', maxLength: 2 }),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          nearly.map((parts) => parts.join('')),
        ),
        (text) => {
          const isOne = /^[0-9]{1,9}(ms|s|m|h|d)$/.test(text) && !text.includes('\n');
          expect(parseDuration(text) !== null).toBe(isOne);
          expect(DURATION_PATTERN.test(text)).toBe(isOne);
        },
      ),
      runs(500),
    );
  });
});
