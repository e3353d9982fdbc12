/** Cursors: round trips, every kind of tampering, and forgeries by who knows how the checksum is made. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CursorPart } from '../../api/cursor.ts';
import { decodeCursor, encodeCursor } from '../../api/cursor.ts';
import { ApiProblem } from '../../api/problem-codes.ts';
import { runs } from '../setup/property-runs.ts';
import type { TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';
import { expectProblem, expectUnharmed } from './setup/operations.ts';

const two = (n: number) => String(n).padStart(2, '0');
const time = fc
  .tuple(
    fc.date({ min: new Date('1970-01-01Z'), max: new Date('9999-12-31Z'), noInvalidDate: true }),
    fc.nat(999_999),
    fc.integer({ min: -12, max: 14 }),
  )
  .map(
    ([date, micros, zone]) =>
      `${date.toISOString().slice(0, 19).replace('T', ' ')}.${String(micros).padStart(6, '0')}${zone < 0 ? '-' : '+'}${two(Math.abs(zone))}`,
  );
const id = fc.oneof(fc.uuid(), fc.stringMatching(/^[A-Za-z0-9._~@-]{1,128}$/));
const number = fc.nat(Number.MAX_SAFE_INTEGER).map((n) => String(n % 10 ** 15));
const PARTS = { time, id, number } as const;
/** A key that a list may have, with the kinds of its parts. */
const key = fc
  .array(fc.constantFrom<CursorPart>('time', 'id', 'number'), { minLength: 1, maxLength: 3 })
  .chain((parts) => fc.tuple(fc.constant(parts), fc.tuple(...parts.map((part) => PARTS[part]))));
const list = fc.constantFrom('runs', 'users', 'audits', 'events:1', 'events:11', 'events:');

function refused(from: string, parts: readonly CursorPart[], cursor: string): void {
  expect(() => decodeCursor(from, parts, cursor)).toThrow(ApiProblem);
}

describe('a cursor', () => {
  it('gives back exactly the key that it was made of, in characters that need no encoding', () => {
    fc.assert(
      fc.property(list, key, (from, [parts, values]) => {
        const cursor = encodeCursor(from, values);
        expect(cursor).toMatch(/^[\w-]{1,800}$/);
        expect(decodeCursor(from, parts, cursor)).toEqual(values);
      }),
      runs(300),
    );
  });

  it('of another list, or read as a key of another shape, is refused', () => {
    fc.assert(
      fc.property(list, list, key, key, (from, other, [parts, values], [otherParts]) => {
        const cursor = encodeCursor(from, values);
        if (other !== from) refused(other, parts, cursor);
        if (otherParts.length !== parts.length) refused(from, otherParts, cursor);
      }),
      runs(300),
    );
  });

  it('with any change of its text is refused: it never leads to another page', () => {
    const change = fc.oneof(
      fc.record({ at: fc.nat(), to: fc.constantFrom(...'ABCxyz019-_=+/ '.split('')) }).map(
        ({ at, to }) =>
          (text: string) =>
            text.slice(0, at % text.length) + to + text.slice((at % text.length) + 1),
      ),
      fc.record({ at: fc.nat(), what: fc.string({ minLength: 1, maxLength: 4 }) }).map(
        ({ at, what }) =>
          (text: string) =>
            text.slice(0, at % (text.length + 1)) + what + text.slice(at % (text.length + 1)),
      ),
      fc.nat().map((at) => (text: string) => text.slice(0, at % text.length)),
      fc.nat().map((at) => (text: string) => text.slice(1 + (at % text.length))),
      fc.nat().map((at) => (text: string) => text.slice(at % text.length) + text.slice(0, at % text.length)),
      fc.constant((text: string) => text.toLowerCase()),
      fc.constant((text: string) => text + text),
    );
    fc.assert(
      fc.property(list, key, change, (from, [parts, values], tamper) => {
        const cursor = encodeCursor(from, values);
        const changed = tamper(cursor);
        if (changed !== cursor) refused(from, parts, changed);
      }),
      runs(1_000),
    );
  });

  it('with one bit changed is refused, whichever', () => {
    const values = ['2026-11-21 10:00:00.123456+00', 'id-1'];
    const bytes = Buffer.from(encodeCursor('runs', values), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      refused('runs', ['time', 'id'], changed.toString('base64url'));
    }
  });

  it('that is no cursor at all is refused', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.base64String()),
        key,
        (text, [parts]) => refused('runs', parts, text),
      ),
      runs(500),
    );
  });
});

/** Forged with the right checksum, and with what PostgreSQL or a number would choke on. */
const FORGED: readonly (readonly string[])[] = [
  ['x\0', 'id'],
  ['\ud800', 'id'],
  ['never', 'id'],
  ['infinity', 'id'],
  ['2026-02-30 10:00:00+00', 'id'],
  ['2026-13-01 10:00:00+00', 'id'],
  ['2026-01-01 24:00:00+00', 'id'],
  ['2026-01-01 10:00:00+99', 'id'],
  ['0000-01-01 10:00:00+00', 'id'],
  ['99999-01-01 10:00:00+00', 'id'],
  ['2026-01-01', 'id'],
  ["2026-01-01 10:00:00+00'; select 1", 'id'],
  ['2026-01-01 10:00:00+00', ''],
  ['2026-01-01 10:00:00+00', 'a\0'],
  ['2026-01-01 10:00:00+00', 'i'.repeat(201)],
  [],
  ['1', '2', '3'],
];
const FORGED_ONE: readonly (readonly string[])[] = [
  ['-1'],
  ['1e3'],
  ['NaN'],
  ['9'.repeat(16)],
  ['1.5'],
  [''],
  ['\0'],
  ['\ud800'],
  ['é'],
  ['a b'],
  ['u'.repeat(201)],
];

describe('a forged cursor', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi({ noWorker: true });
  });
  afterAll(async () => {
    await expectUnharmed(api);
    await api.close();
  });

  it('of something that is no list of texts is refused', () => {
    for (const payload of [
      '',
      'x',
      '{',
      '{}',
      'null',
      '1',
      '"id"',
      '[1]',
      '[null]',
      '[["id"]]',
      '[{"length":1}]',
    ]) {
      const checksum = createHash('sha256').update('users\0').update(payload).digest().subarray(0, 9);
      refused('users', ['id'], Buffer.concat([checksum, Buffer.from(payload)]).toString('base64url'));
    }
  });

  it('is 400 in each list, whatever its key says, and never an error of the database', async () => {
    for (const [path, name] of [
      ['/v1/runs', 'runs'],
      ['/v1/audits', 'audits'],
      ['/v1/deliveries', 'deliveries'],
    ] as const) {
      for (const values of FORGED) {
        const answer = await api.call('GET', `${path}?cursor=${encodeCursor(name, values)}`);
        expect([path, values, answer.status]).toEqual([path, values, 400]);
        expectProblem(answer, 400);
      }
    }
    for (const values of FORGED_ONE) {
      if (values[0] === '-1' || /^(1e3|NaN|9+|1\.5)$/.test(values[0] ?? '')) continue; // names that a user may have
      expectProblem(await api.call('GET', `/v1/users?cursor=${encodeCursor('users', values)}`), 400);
    }
    await api.call('PUT', '/v1/users/alice', { body: {} });
    const body = { userId: 'alice', task: 'x', tools: ['SLACK_SEND_MESSAGE'] };
    const run = await api.call('POST', '/v1/runs', { body, headers: { prefer: 'respond-async' } });
    for (const values of FORGED_ONE) {
      for (const part of ['events', 'messages']) {
        const cursor = encodeCursor(`${part}:${run.body.id}`, values);
        expectProblem(await api.call('GET', `/v1/runs/${run.body.id}/${part}?cursor=${cursor}`), 400);
      }
    }
    await api.call('POST', `/v1/runs/${run.body.id}/cancel`);
  });
});
