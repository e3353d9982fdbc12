import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAuthenticate, hasScope } from '../../api/auth.ts';
import { toPage } from '../../api/cursor.ts';
import { findDuplicateKey } from '../../api/duplicate-keys.ts';
import { redactUrl, serializeError } from '../../api/logger.ts';
import { html } from '../../api/pages/html.ts';
import { toProblem, toProblemBody } from '../../api/problems.ts';
import { createReadiness } from '../../api/readiness.ts';
import { ComposioFailure } from '../../composio/failure.ts';

describe('a page', () => {
  it('is null on the last page, also when that is exactly full', () => {
    expect(toPage('l', ['a', 'b'], 2, (x) => [x]).nextCursor).toBeNull();
    expect(toPage('l', [], 2, () => []).nextCursor).toBeNull();
    expect(toPage('l', ['a', 'b', 'c'], 2, (x) => [x])).toMatchObject({
      items: ['a', 'b'],
      nextCursor: expect.any(String),
    });
  });
});

describe('findDuplicateKey', () => {
  it('is false for everything that JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(findDuplicateKey(JSON.stringify(JSON.parse(text)))).toBe(false);
      }),
    );
  });

  it.each([
    ['{"a":1,"a":2}', true],
    ['{"a":{"b":1},"b":{"b":1}}', false],
    ['[{"a":1},{"a":1}]', false],
    ['{"x":[{"a":1,"a":1}]}', true],
    [String.raw`{"a":1,"\u0061":2}`, true],
    [String.raw`{"a\"":1,"a":2}`, false],
    ['{"a":"\\\\","a":1}', true],
    ['{"k":"a:b,{","a":"{\\"a\\":1"}', false],
  ])('of %s is %s', (text, expected) => {
    JSON.parse(text);
    expect(findDuplicateKey(text)).toBe(expected);
  });
});

describe('redactUrl', () => {
  it.each([
    ['/connect/secret', '/connect/[redacted]'],
    ['/connect/secret/go?x=secret', '/connect/[redacted]/go?[redacted]'],
    ['//connect//secret', '//connect//[redacted]'],
    ['/CONNECT/secret', '/CONNECT/[redacted]'],
    ['/oauth/callback/id?state=secret', '/oauth/callback/id?[redacted]'],
    ['/OAuth/callback/id?state=secret', '/OAuth/callback/id?[redacted]'],
    ['/v1/runs?userId=alice', '/v1/runs?userId=alice'],
    ['/healthz', '/healthz'],
  ])('of %s is %s', (url, expected) => {
    expect(redactUrl(url)).toBe(expected);
  });
});

describe('an error in the log', () => {
  it('has its causes and stacks, but not the request that an SDK hangs on it', () => {
    const cause = Object.assign(new Error('inner'), {
      code: 'E1',
      config: { headers: { 'x-api-key': 'secret' } },
    });
    const line = JSON.stringify(serializeError(new Error('outer', { cause })));
    expect(line).toContain('inner');
    expect(line).toContain('E1');
    expect(line).not.toContain('secret');
  });

  it('of Composio is told by kind, status and request id: no text of it or of what caused it, however it looks', () => {
    const text = 'CONTENT of a mail\n    at CONTENT (mail.ts:1:1)';
    const cause = new Error(text);
    const failure = new ComposioFailure(`Composio answered: ${text}`, {
      kind: 'transient',
      outcome: 'unknown',
      httpStatus: 502,
      requestId: 'req_1',
      cause,
    });
    const line = JSON.stringify(serializeError(new Error('outer', { cause: failure })));
    expect(line).not.toContain('CONTENT');
    expect(line).toMatch(/outer.*transient.*unknown.*502.*req_1/);
    expect(line).toContain('parts.test.ts');
  });
});

describe('html', () => {
  it('escapes every value that is not HTML of our own', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const page = html`<p title="${text}">${[text, html`<b>${text}</b>`]}</p>`.text;
        expect(page.replaceAll(/<\/?[pb]>|<p title="|">/g, '')).not.toMatch(/[<>"']/);
      }),
    );
    expect(html`${'<script>'}${null}${1}`.text).toBe('&lt;script&gt;1');
  });
});

describe('an API key', () => {
  it('is the bootstrap key or nobody', async () => {
    const authenticate = createAuthenticate({ bootstrapKey: 'k1' });
    expect(await authenticate(['Bearer k1'])).toEqual({ keyId: 'bootstrap', scopes: ['admin'] });
    for (const bad of [
      undefined,
      [],
      [''],
      ['Bearer'],
      ['Bearer '],
      ['Bearer k1 '],
      ['Bearer  k1'],
      ['k1'],
      ['Bearer k1', 'Bearer k1'],
    ]) {
      expect(await authenticate(bad)).toBeNull();
    }
    expect(() => createAuthenticate({ bootstrapKey: '' })).toThrow(RangeError);
  });

  it('with admin may do everything, with another scope only that', () => {
    expect(hasScope({ keyId: 'x', scopes: ['admin'] }, 'operator')).toBe(true);
    expect(hasScope({ keyId: 'x', scopes: ['runs'] }, 'runs')).toBe(true);
    expect(hasScope({ keyId: 'x', scopes: ['runs'] }, 'operator')).toBe(false);
  });
});

describe('toProblem', () => {
  const failure = (kind: ComposioFailure['kind'], retryAfterMs: number | null = null) =>
    new ComposioFailure('secret detail', { kind, outcome: 'not_sent', retryAfterMs });

  it.each([
    [failure('unavailable'), 'unavailable', '5'],
    [failure('rate_limited', 6_200), 'unavailable', '7'],
    [failure('rejected'), 'composio_rejected', undefined],
    [failure('tenant_violation'), 'internal', undefined],
    [failure('config'), 'internal', undefined],
    [Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), 'unavailable', '5'],
    [Object.assign(new Error('x'), { code: '57P01' }), 'unavailable', '5'],
    [Object.assign(new Error('x'), { code: '53300' }), 'unavailable', '5'],
    [Object.assign(new Error('x'), { code: '23505' }), 'internal', undefined],
    [new Error('secret detail'), 'internal', undefined],
    ['secret detail', 'internal', undefined],
    [new URIError('secret detail'), 'not_found', undefined],
  ] as const)('of %s is %s', (error, code, retryAfter) => {
    const problem = toProblem(error);
    expect([problem.code, problem.headers['retry-after']]).toEqual([code, retryAfter]);
    expect(JSON.stringify(toProblemBody(problem, 'i'))).not.toContain('secret detail');
  });
});

describe('readiness', () => {
  it('is lost when a probe does not answer in time, and for good when the process stops', async () => {
    const probes = {
      postgres: async () => undefined,
      temporal: () => new Promise<void>(() => undefined),
      composio: { lastAnswer: () => 'down' as const },
    };
    expect(await createReadiness(probes).check()).toEqual({
      ready: false,
      postgres: 'up',
      temporal: 'down',
      composio: 'down',
    });
    const readiness = createReadiness({ ...probes, temporal: async () => undefined });
    expect(await readiness.check()).toMatchObject({ ready: true, composio: 'down' });
    readiness.close();
    expect(await readiness.check()).toMatchObject({ ready: false, postgres: 'up', temporal: 'up' });
  });
});
