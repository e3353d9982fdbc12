/** Reads Composio's answer to an execution. An answer that cannot be read is a call whose outcome nobody knows. Pure. */
import type { Json } from '../domain/json.ts';
import { unreadableAnswer } from './classify.ts';
import type { ExecuteResult } from './port.ts';
import type { WireAnswer } from './transport.ts';

/** Enough for the model and an operator; some tools put whole documents into their error. */
const MAX_ERROR_CHARS = 4_000;

/** @throws ComposioFailure kind `transient`, outcome `unknown`. */
export function readExecuteAnswer(answer: WireAnswer): ExecuteResult {
  let body: unknown;
  try {
    body = JSON.parse(answer.text);
  } catch (error) {
    throw unreadableAnswer(answer, 'execute', error);
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw unreadableAnswer(answer, 'execute');
  // Results can be large: they are taken as they are, not walked or copied. The misspelt field is older servers'.
  const { successful, successfull, data, error, log_id: logId } = body as Record<string, Json | undefined>;
  const isSuccessful = typeof successful === 'boolean' ? successful : successfull;
  if (typeof isSuccessful !== 'boolean') throw unreadableAnswer(answer, 'execute');
  return {
    successful: isSuccessful,
    data: data ?? null,
    error: toErrorText(error),
    logId: typeof logId === 'string' ? logId : null,
  };
}

function toErrorText(error: Json | undefined): string | null {
  if (error === undefined || error === null) return null;
  return (typeof error === 'string' ? error : JSON.stringify(error)).slice(0, MAX_ERROR_CHARS);
}
