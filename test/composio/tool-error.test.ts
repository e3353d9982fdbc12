/** What tools' own error texts mean, as providers and HTTP libraries write them: dead tokens, lost answers, plain refusals. */
import { describe, expect, it } from 'vitest';
import { classifyToolError, tellingText } from '../../composio/tool-error.ts';

describe('classifyToolError', () => {
  it.each([
    'invalid_auth',
    'slack error: token_expired',
    'TOKEN_REVOKED',
    '{"error":"expired_token"}',
    'invalid_grant: Bad Request',
    'invalid_token',
    'not_authed',
    'account_inactive',
    'unauthorized_client',
    '401 Client Error: Bad credentials',
    '{"error":"invalid_grant","error_description":"Token has been expired or revoked."}',
  ])('hears in %j that the provider no longer knows the account', (text) => {
    expect(classifyToolError(text)).toBe('revoked_at_provider');
  });

  it.each([
    'Request timed out',
    'Read timeout after 30s',
    'time-out',
    'ReadTimeoutError: HTTPSConnectionPool',
    'ReadTimeout',
    'ConnectTimeout',
    'context deadline exceeded',
    'ETIMEDOUT',
    'socket hang up',
    'read ECONNRESET',
    'Connection aborted',
    'Remote end closed connection without response',
    '502 Bad Gateway',
    '503 Service Unavailable',
    'HTTP 500',
    'HTTP error 504',
    'status code: 500',
    'Request failed with status code 503',
    '{"status": 502}',
    '{"statusCode":500}',
    '500 Server Error for url',
    'Internal Server Error',
    'upstream connect error or disconnect/reset before headers',
    'Service temporarily unavailable',
    'internal_error',
    'fatal_error',
    'service_unavailable',
    'request_timeout',
    'gateway_timeout',
    'internal_server_error',
    'database_connection_unavailable',
    'backendError',
    '{"error":{"code":503,"message":"The service is currently unavailable.","status":"UNAVAILABLE"}}',
    '{"error":{"code":500,"message":"Internal error encountered.","status":"INTERNAL"}}',
    'DEADLINE_EXCEEDED',
    '14 UNAVAILABLE: read ECONNRESET',
    'rpc error: code = Unavailable desc = transport is closing',
    'This operation was aborted',
    'The operation was aborted due to timeout',
    'AbortError',
    'context canceled',
    "requests.exceptions.ConnectionError: ('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))",
    'httpx.RemoteProtocolError: Server disconnected without sending a response.',
    'aiohttp.client_exceptions.ServerDisconnectedError',
    'ChunkedEncodingError: IncompleteRead(0 bytes read)',
    'Error 524: A timeout occurred',
    'error code: 522',
    'HTTP/1.1 502 Bad Gateway',
    '(504) Gateway Timeout',
    'Something went wrong while executing your query. This may be the result of a timeout',
    'ErrorInternalServerError',
    'generalException',
    'serviceNotAvailable',
    'UNKNOWN_EXCEPTION',
    'unexpected EOF',
    'network error',
    'TypeError: fetch failed',
    'invalid timeout parameter; then the request timed out',
    'token refresh: invalid_grant after 504 Gateway Timeout',
    '[500] Internal',
    'UND_ERR_SOCKET: other side closed',
    'The server closed the connection',
    'stream was reset',
  ])('hears in %j that it may have happened', (text) => {
    expect(classifyToolError(text)).toBe('maybe_happened');
  });

  it.each([
    'channel_not_found',
    '',
    'no_text',
    'Message must have at most 500 characters',
    'Issue 503 does not exist',
    'invalid_auth_method',
    'my_token_expired_flag is not a field',
    'HTTP 404',
    'status code 429',
    'The timeouts field is unknown',
    'Error code: 5001',
    'rate limited',
    'ratelimited',
    'rate_limit_exceeded',
    'invalid timeout parameter',
    'Invalid value for "timeout"',
    'timeout must be a positive integer',
    "Unknown field 'timeout_ms'",
    "'timeout' is required",
    'missing required argument: timeout',
    'unsupported option timeout_seconds',
    'Error: 500 characters maximum',
    'not_in_channel',
    'msg_too_long',
    'Validation Failed',
    '404 Client Error: Not Found',
    '422 Unprocessable Entity',
    '403 Forbidden: insufficient permissions',
    'missing_scope',
    'Requested entity was not found.',
    'ECONNREFUSED',
    'getaddrinfo ENOTFOUND api.example.com',
    'Recipient address rejected',
    'body failed validation',
    'object_not_found',
    'Could not find page with ID',
    'Bad Request: chat not found',
    'is_archived',
    'invalid_arguments',
    'quota exceeded',
    'price is 599.00',
    'order 500 not found',
    'HTTP 400: limit must be <= 500',
    'duplicate key',
    'conflict_error',
    'already_exists',
    'The field internal_id is unknown',
    'Invalid input: closed',
    'Event has been cancelled already',
  ])('hears in %j a plain failure', (text) => {
    expect(classifyToolError(text)).toBe('failed');
  });

  it('takes a text that speaks of a dead token and of a lost answer for a lost answer of a write, not of a read', () => {
    const text = 'timeout while refreshing: invalid_grant';
    expect(classifyToolError(text, true)).toBe('maybe_happened');
    expect(classifyToolError(text, false)).toBe('revoked_at_provider');
  });
});

describe('tellingText', () => {
  it.each([
    [{ http_error: '502 Server Error: Bad Gateway for url', status_code: 502 }, 'maybe_happened'],
    [{ status_code: 504 }, 'maybe_happened'],
    [{ message: 'The request timed out' }, 'maybe_happened'],
    [{ ok: false, error: 'token_revoked' }, 'revoked_at_provider'],
    [{ http_error: '404 Client Error: Not Found', status_code: 404 }, 'failed'],
    [{ note: 'Request timed out' }, 'failed'],
    [{ status_code: { toString: 1 }, message: ['timed out'] }, 'failed'],
    [null, 'failed'],
    ['Request timed out', 'failed'],
  ])('reads in data %j beside the error: %s', (data, meaning) => {
    expect(classifyToolError(tellingText('It failed', data))).toBe(meaning);
  });

  it('reads the beginning of a megabyte, and does so quickly', () => {
    const began = performance.now();
    const page = '<'.repeat(1_000_000);
    expect(classifyToolError(tellingText(page.slice(0, 4_000), { message: page }))).toBe('failed');
    expect(performance.now() - began).toBeLessThan(10_000);
  });
});
