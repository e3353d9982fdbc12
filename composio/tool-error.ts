/** Reads the error text of a tool that ran and said no (`successful: false`): what it means for the call. Pure. */

/** `revoked_at_provider`: the account's token is dead although Composio says ACTIVE. `maybe_happened`: the provider may have done it. */
export type ToolErrorMeaning = 'revoked_at_provider' | 'maybe_happened' | 'failed';

/** Providers' own words for a dead token, as whole words. Such a call was refused before it did anything. */
const REVOKED =
  /(?<![\w-])(invalid_auth|token_expired|token_revoked|expired_token|invalid_grant|invalid_token|not_authed|account_inactive|unauthorized_client|bad credentials)(?![\w-])/i;

/** A time-out or a broken connection between Composio and the provider: the provider may have finished the work. */
const LOST_ANSWER =
  /(time[ds]?[ -]?out(error|exception)?\b)|\b(deadline (was )?exceeded|ETIMEDOUT|ESOCKETTIMEDOUT|ECONNRESET|ECONNABORTED|EPIPE|socket hang up|connection (was )?(reset|aborted|closed|lost|broken)|(remote|server) (end )?(closed|disconnected)|premature close|broken pipe|incomplete ?read)\b/i;

/** A 5xx of the provider, only where the number or the words are an HTTP status: "at most 500 characters" is none. */
const UPSTREAM_5XX =
  /\b(bad gateway|gateway time-?out|service (is )?(temporarily )?unavailable|temporarily unavailable|internal server error|upstream (connect )?(error|failure|request))\b|\b(http(\/\d(\.\d)?)?|status[_ -]?(code)?|code|error|response)["']?[\s:=(]{0,4}(code|status|error)?["']?[\s:=(]{0,4}5\d\d\b|\b5\d\d\s+(server )?error\b/i;

export function classifyToolError(errorText: string): ToolErrorMeaning {
  if (REVOKED.test(errorText)) return 'revoked_at_provider';
  return LOST_ANSWER.test(errorText) || UPSTREAM_5XX.test(errorText) ? 'maybe_happened' : 'failed';
}
