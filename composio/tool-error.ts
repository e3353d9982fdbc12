/**
 * Reads what a tool that ran and said no (`successful: false`) tells of itself: what it means for the call. Pure.
 * Two mistakes are possible. Taking a lost answer for a refusal lets the model do the thing twice; taking a refusal for a lost
 * answer asks a person to look. So a text that speaks of both is a lost answer, and words must be plain to be a refusal.
 */

/** `revoked_at_provider`: the account's token is dead although Composio says ACTIVE. `maybe_happened`: the provider may have done it. */
export type ToolErrorMeaning = 'revoked_at_provider' | 'maybe_happened' | 'failed';

/** Providers' own words for a dead token, as whole words. Such a call was refused before it did anything. */
const REVOKED =
  /(?<![\w-])(invalid_auth|token_expired|token_revoked|expired_token|invalid_grant|invalid_token|not_authed|account_inactive|unauthorized_client|bad credentials)(?![\w-])/i;

/** A complaint about an argument whose name is the word: it says that nothing was sent. Taken out before the texts are read. */
const ABOUT_A_PARAMETER = [
  /\b(invalid|unknown|unsupported|unrecogni[sz]ed|unexpected|missing|required|bad|illegal)\s+(\w+\W{1,3}){0,2}["'`]?time ?out\b(?! (error|exception))/gi,
  /\btime ?out(\s+(in\s+)?(ms|s|sec|seconds|minutes|millis|milliseconds))?["'`]?\s+(parameter|argument|field|value|option|property|setting|must|should|has to|needs to|cannot|can't|is (required|invalid|missing|unknown|not|too|deprecated))\b/gi,
];

/** A time-out or a broken connection between Composio and the provider: the provider may have finished the work. */
const LOST_ANSWER = [
  /time[ds]?[ -]?out( error| exception)?\b/i,
  /\b(deadline (was )?exceeded|took too long|E ?TIMEDOUT|E ?SOCKET ?TIMEDOUT|E ?CONN ?RESET|E ?CONN ?ABORTED|EPIPE|ERR NETWORK|UND ERR SOCKET|ECANCELED)\b/i,
  /\b(socket hang up|premature close|broken pipe|incomplete ?read|unexpected (EOF|end of (file|stream|input))|stream (was )?(closed|reset|aborted)|fetch failed|network ?error|abort ?error|chunked encoding error|server disconnected|remote (protocol error|disconnected)|protocol error)\b/i,
  /\bconnection (was |has been |is )?(forcibly )?(reset|aborted|closed|lost|broken|dropped|terminated|interrupted|error)\b/i,
  /\b(remote|server|peer)( end)? (unexpectedly )?(closed|disconnected|hung up)\b/i,
  /\b((the|this) )?(operation|request|call|context) (was |has been )?(abort|cancel)(l?ed)\b/i,
];

/** What a 5xx is called where no number is given: by gateways, by gRPC, and by providers. */
const UPSTREAM_WORDS = [
  /\b(bad gateway|service (is )?(temporarily )?(unavailable|not available)|temporarily unavailable|internal (server )?(error|failure)|an internal error|upstream (connect )?(error|failure|request)|backend ?error|server[ -](side )?error|fatal error|unknown (exception|error)|unexpected (server )?error|something went wrong|general exception|database connection unavailable)\b/i,
  /["']?(status|code|reason)["']?\s*[:=]\s*["']?(internal|unavailable|deadline exceeded|unknown|data loss)\b/i,
  /\b(rpc error|grpc)\b.{0,40}\b(internal|unavailable|unknown|deadline exceeded)\b/i,
  /\b(1[345]) (internal|unavailable|data loss)\b/i,
];

/** A 5xx of the provider, only where the number is an HTTP status: "at most 500 characters" and "Issue 503" are none. */
const UPSTREAM_5XX = [
  /\b(http( error)?(\/\d(\.\d)?)?|status[ -]?(code)?|code|error|response)["']?[\s:=([]{0,4}(code|status|error)?["']?[\s:=([]{0,4}5\d\d\b(?![.,]\d)(?! ?(char|byte|word|item|result|row|record|member|message|token|pixel|px|ms|sec|min|[kmg]b|line|page|recipient|user|request|is (too|not)))/i,
  /\b5\d\d\s+(server )?error\b/i,
  /^\W{0,2}5\d\d\W/,
];

/** `isWrite` decides where a text speaks of a dead token and of a lost answer: a read may be asked again in either case. */
export function classifyToolError(errorText: string, isWrite = true): ToolErrorMeaning {
  const isRevoked = REVOKED.test(errorText);
  if (isRevoked && !isWrite) return 'revoked_at_provider';
  if (speaksOfLoss(errorText)) return 'maybe_happened';
  return isRevoked ? 'revoked_at_provider' : 'failed';
}

function speaksOfLoss(errorText: string): boolean {
  // Codes are words: `internal_server_error`, `gatewayTimeout`, `ReadTimeoutError`.
  const words = errorText.replaceAll('_', ' ').replaceAll(/([a-z])([A-Z])/g, '$1 $2');
  const text = ABOUT_A_PARAMETER.reduce((left, complaint) => left.replaceAll(complaint, ' '), words);
  return [...LOST_ANSWER, ...UPSTREAM_WORDS, ...UPSTREAM_5XX].some((pattern) => pattern.test(text));
}

/** Where Composio puts what the provider answered, beside `error`: its own HTTP error, its status, its message. */
const TELLING_FIELDS = ['http_error', 'status_code', 'statusCode', 'code', 'message', 'error', 'detail'];
/** Of one field: a provider's error page may be megabytes, and says what it is at its beginning. */
const MAX_FIELD_CHARS = 2_000;

/** The error's text, with what `data` says of it. */
export function tellingText(error: string | null, data: unknown): string {
  const fields = typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : {};
  const said = TELLING_FIELDS.flatMap((name) => {
    const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
    return typeof value === 'string' || typeof value === 'number'
      ? [`${name}: ${String(value).slice(0, MAX_FIELD_CHARS)}`]
      : [];
  });
  return [error ?? '', ...said].join('\n');
}
