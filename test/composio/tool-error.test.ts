/** What a tool's own error text means: dead tokens, lost answers, plain refusals. */
import { describe, expect, it } from 'vitest';
import { classifyToolError } from '../../composio/tool-error.ts';

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
    'timeout while refreshing: invalid_grant',
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
  ])('hears in %j that it may have happened', (text) => {
    expect(classifyToolError(text)).toBe('maybe_happened');
  });

  it.each([
    '',
    'channel_not_found',
    'no_text',
    'Message must have at most 500 characters',
    'Issue 503 does not exist',
    'invalid_auth_method',
    'my_token_expired_flag is not a field',
    'HTTP 404',
    'status code 429',
    'The timeouts field is unknown... not',
    'Error code: 5001',
  ])('hears in %j a plain failure', (text) => {
    expect(classifyToolError(text)).toBe('failed');
  });
});
