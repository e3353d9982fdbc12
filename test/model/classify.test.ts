import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KIND_OF_CODE, classify, kindOfHttp } from '../../model/classify.ts';
import { MODEL_FAILURE_KINDS, ModelFailure } from '../../model/failure.ts';

const context = { timedOut: false, now: 0 };
const broken = (code: string) =>
  Object.assign(new TypeError('fetch failed'), { cause: Object.assign(new Error('socket'), { code }) });

describe('classification', () => {
  test('gives every status, code and kind of body one kind, and never leaves what an outage can be for good', () => {
    const codes = [null, 'nonsense', ...Object.keys(KIND_OF_CODE)];
    let seen = 0;
    for (let status = 100; status < 600; status += 1) {
      for (const code of codes) {
        for (const isPage of [false, true]) {
          const kind = kindOfHttp(status, [code], isPage);
          expect(MODEL_FAILURE_KINDS).toContain(kind);
          const { retryable } = new ModelFailure('x', { kind });
          if (status >= 500 || status < 300) expect(kind).toBe('transient');
          // Only a 4xx, or a redirect for good, may end a run.
          if (!retryable)
            expect(status === 301 || status === 308 || (status >= 400 && status < 500)).toBe(true);
          seen += 1;
        }
      }
    }
    expect(seen).toBe(500 * codes.length * 2);
  });

  test.each([
    [400, null, false, 'bad_request'],
    [400, 'context_length_exceeded', false, 'bad_request'],
    [400, 'content_filter', false, 'refused'],
    [401, null, false, 'config'],
    [401, null, true, 'unavailable'],
    [403, null, false, 'config'],
    [403, null, true, 'unavailable'],
    [404, null, false, 'config'],
    [404, null, true, 'unavailable'],
    [408, null, false, 'transient'],
    [409, null, false, 'transient'],
    [413, null, true, 'bad_request'],
    [422, null, false, 'bad_request'],
    [429, null, false, 'rate_limited'],
    [429, 'insufficient_quota', false, 'config'],
    [429, 'toString', false, 'rate_limited'],
    [503, 'insufficient_quota', false, 'transient'],
    [529, 'overloaded_error', false, 'transient'],
  ] as const)('takes %i with code %s (a web page: %s) for %s', (status, code, isPage, kind) => {
    expect(kindOfHttp(status, [code], isPage)).toBe(kind);
  });

  test.each([
    ['ECONNREFUSED', 'unavailable'],
    ['ENOTFOUND', 'unavailable'],
    ['EAI_AGAIN', 'unavailable'],
    ['UND_ERR_CONNECT_TIMEOUT', 'unavailable'],
    ['ECONNRESET', 'transient'],
    ['UND_ERR_SOCKET', 'transient'],
    ['EPIPE', 'transient'],
  ])('takes %s for %s', (code, kind) => {
    expect(classify(broken(code), context)).toMatchObject({ kind, code, retryable: true });
  });

  test('reads the code of a connection that was tried on two addresses', () => {
    const both = new AggregateError([Object.assign(new Error('v6'), { code: 'ECONNREFUSED' })]);
    expect(classify(new TypeError('fetch failed', { cause: both }), context).kind).toBe('unavailable');
  });

  test('passes a ModelFailure on as it is', () => {
    const failure = new ModelFailure('x', { kind: 'bad_answer' });
    expect(classify(failure, context)).toBe(failure);
  });

  test('makes a ModelFailure of anything, and quotes none of it', () => {
    fc.assert(
      fc.property(fc.anything(), fc.boolean(), (thrown, timedOut) => {
        expect(classify(thrown, { timedOut, now: 0 })).toBeInstanceOf(ModelFailure);
      }),
    );
    expect(classify(new Error('canary-secret'), context).message).not.toContain('canary-secret');
    expect(classify(broken('sk-looks-like-a-key'), context).message).not.toContain('sk-');
  });
});
