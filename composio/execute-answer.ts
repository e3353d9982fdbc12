/** Reads Composio's answer to an execution. An answer that cannot be read is a call whose outcome nobody knows. Pure. */
import { type Json, storableJson } from '../domain/json.ts';
import { unreadableAnswer } from './classify.ts';
import type { ExecuteResult } from './port.ts';
import type { WireAnswer } from './transport.ts';

/** Enough for the model and an operator; some tools put whole documents into their error. */
const MAX_ERROR_CHARS = 4_000;

/** @throws ComposioFailure kind `transient`, outcome `unknown`. */
export function readExecuteAnswer(answer: WireAnswer): ExecuteResult {
  let body: unknown;
  try {
    body = parseExactly(answer.text);
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
  return (typeof error === 'string' ? error : storableJson(error)).slice(0, MAX_ERROR_CHARS);
}

/** What a number must look like for JavaScript to be able to change it: 16 digits in a row, or an exponent of three. */
const RISKY_NUMBER = /\d{16}|\d[eE][+-]?\d{3}/;
/** Asking for each number's own text makes reading tenfold slower: 4 MB stay below half a second of the worker's only thread. */
const MAX_EXACT_CHARS = 4 * 1024 * 1024;

/**
 * JSON whose numbers beyond what JavaScript holds come as text: an id that is rounded is another thing's id, and 1e400 is no
 * number that JSON could carry on. Above `MAX_EXACT_CHARS` such numbers are rounded.
 */
function parseExactly(text: string): unknown {
  if (text.length > MAX_EXACT_CHARS || !RISKY_NUMBER.test(text)) return JSON.parse(text);
  try {
    return JSON.parse(text, keepExact as (key: string, value: unknown) => unknown);
  } catch (error) {
    // A reviver recurses, where JSON.parse alone does not.
    if (error instanceof RangeError) return JSON.parse(text);
    throw error;
  }
}

function keepExact(_key: string, value: unknown, context: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || context.source === undefined) return value;
  if (!Number.isFinite(value)) return context.source;
  const isRounded = /^-?\d{16,}$/.test(context.source) && BigInt(context.source) !== BigInt(value);
  return isRounded ? context.source : value;
}
