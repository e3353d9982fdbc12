/** The tables from wire answers to failures, row by row. test/activities/classification.test.ts holds them total. */
import { describe, expect, it } from 'vitest';
import { classifyAnswer, classifyTransportError, readErrorBody } from '../../composio/classify.ts';
import { TransportError } from '../../composio/transport.ts';

function answer(status: number, body: unknown = {}, headers: Record<string, string> = {}) {
  return {
    status,
    headers: new Headers(headers),
    text: typeof body === 'string' ? body : JSON.stringify(body),
    requestId: 'req',
  };
}
const coded = (code: number, slug: string, message = 'm') => ({
  error: { message, code, slug, request_id: 'r1' },
});

describe('classifyAnswer', () => {
  it.each([
    [429, { message: 'slow down' }, 'execute', 'rate_limited', 'rejected'],
    [500, {}, 'read', 'transient', 'rejected'],
    [500, {}, 'execute', 'transient', 'unknown'],
    [502, '<html>', 'execute', 'transient', 'unknown'],
    [503, '', 'effect', 'transient', 'unknown'],
    [504, {}, 'execute', 'transient', 'unknown'],
    [408, {}, 'execute', 'transient', 'unknown'],
    [409, {}, 'execute', 'transient', 'unknown'],
    [409, {}, 'read', 'transient', 'rejected'],
    [
      400,
      { error: { message: 'channel is required', code: 1801 } },
      'execute',
      'invalid_arguments',
      'rejected',
    ],
    [422, {}, 'execute', 'invalid_arguments', 'rejected'],
    [400, {}, 'read', 'rejected', 'rejected'],
    [401, {}, 'execute', 'config', 'rejected'],
    [403, {}, 'read', 'config', 'rejected'],
    [404, coded(2301, 'Tool_ToolNotFound'), 'execute', 'tool_not_found', 'rejected'],
    [404, {}, 'read', 'rejected', 'rejected'],
    [404, coded(1810, 'ActionExecute_ConnectedAccountNotFound'), 'execute', 'not_connected', 'rejected'],
    [400, coded(1803, 'x'), 'execute', 'not_connected', 'rejected'],
    [400, coded(4302, 'ToolRouterV2_NoActiveConnection'), 'execute', 'not_connected', 'rejected'],
    [
      404,
      { error: { slug: 'ActionExecute_ConnectedAccountNotFound' } },
      'execute',
      'not_connected',
      'rejected',
    ],
    [410, coded(1820, 'ActionExecute_ConnectedAccountExpired'), 'execute', 'connection_expired', 'rejected'],
    [410, { message: 'Connected account is in EXPIRED state' }, 'execute', 'connection_expired', 'rejected'],
    [
      410,
      { error: 'This endpoint is no longer available. Please upgrade to v3 APIs.' },
      'read',
      'api_retired',
      'rejected',
    ],
    [400, coded(1811, 'ActionExecute_UserIdRequired'), 'execute', 'tenant_violation', 'rejected'],
    [
      400,
      coded(1812, 'ActionExecute_ConnectedAccountEntityIdMismatch'),
      'execute',
      'tenant_violation',
      'rejected',
    ],
    [418, {}, 'execute', 'rejected', 'rejected'],
    [301, '', 'read', 'config', 'rejected'],
    [308, '', 'read', 'config', 'rejected'],
    [302, '', 'read', 'transient', 'rejected'],
    [425, {}, 'execute', 'unavailable', 'rejected'],
    [402, {}, 'execute', 'config', 'rejected'],
    [499, {}, 'execute', 'transient', 'unknown'],
    [413, {}, 'execute', 'invalid_arguments', 'rejected'],
    // An ingress without a backend, a proxy's sign-in page: nothing of Composio's has seen the request.
    [404, '<html>default backend</html>', 'read', 'unavailable', 'rejected'],
    [403, '\n <!doctype html>', 'execute', 'unavailable', 'rejected'],
    [422, coded(1821, 'ActionExecute_ConnectedAccountNotActive'), 'execute', 'not_connected', 'rejected'],
    [400, { message: 'Connected account ca_1 is in REVOKED state' }, 'execute', 'not_connected', 'rejected'],
    [307, '', 'execute', 'transient', 'unknown'],
  ] as const)('reads %i %j on %s as %s, %s', (status, body, purpose, kind, outcome) => {
    expect(classifyAnswer(answer(status, body), purpose)).toMatchObject({
      kind,
      outcome,
      httpStatus: status,
    });
  });

  it('trusts no code in a 5xx: the gateway may have lost an answer that was a success', () => {
    expect(classifyAnswer(answer(500, coded(1820, 'x')), 'execute')).toMatchObject({ outcome: 'unknown' });
  });

  it('keeps code, request id and wait of the answer, and cuts its message', () => {
    const failure = classifyAnswer(
      answer(429, coded(7, 's', 'x'.repeat(5_000)), { 'retry-after': '3' }),
      'read',
    );
    expect(failure).toMatchObject({ code: 7, requestId: 'r1', retryAfterMs: 3_000 });
    expect(failure.message.length).toBeLessThan(600);
  });

  it('reads error bodies that are not objects', () => {
    for (const text of ['null', '[]', '"text"', '7', '', '{', '{"error":null}', '{"error":[]}']) {
      expect(readErrorBody(text)).toMatchObject({ code: null, message: '' });
    }
  });
});

describe('classifyTransportError', () => {
  it.each([
    ['unreachable', false, 'execute', 'unavailable', 'not_sent'],
    ['aborted', false, 'execute', 'unavailable', 'not_sent'],
    ['aborted', true, 'execute', 'transient', 'unknown'],
    ['deadline', true, 'execute', 'transient', 'unknown'],
    ['deadline', true, 'read', 'transient', 'not_sent'],
    ['broken', true, 'effect', 'transient', 'unknown'],
    ['too_large', true, 'execute', 'too_large', 'unknown'],
    ['deadline', false, 'execute', 'unavailable', 'not_sent'],
    ['refused', false, 'execute', 'rejected', 'not_sent'],
  ] as const)('reads %s (sent: %s) on %s as %s, %s', (reason, sent, purpose, kind, outcome) => {
    expect(classifyTransportError(new TransportError('x', { reason, sent }), purpose)).toMatchObject({
      kind,
      outcome,
    });
  });

  it('takes anything that it does not know as an effect that may have happened', () => {
    expect(classifyTransportError(new TypeError('fetch failed'), 'execute')).toMatchObject({
      outcome: 'unknown',
    });
  });
});
