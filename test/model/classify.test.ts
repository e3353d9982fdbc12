import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classify, kindOfHttp } from '../../model/classify.ts';
import { MODEL_FAILURE_KINDS, ModelFailure } from '../../model/failure.ts';

const context = { timedOut: false, now: 0 };
const broken = (code: string) =>
  Object.assign(new TypeError('fetch failed'), { cause: Object.assign(new Error('socket'), { code }) });

describe('classification', () => {
  test('gives every HTTP status from 300 to 599 a kind, and never leaves a 5xx for good', () => {
    for (let status = 300; status < 600; status += 1) {
      const kind = kindOfHttp(status, []);
      expect(MODEL_FAILURE_KINDS).toContain(kind);
      if (status >= 500) expect(kind).toBe('transient');
    }
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
