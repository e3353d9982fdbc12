/**
 * One tool call as the model is told of it: a JSON object of ours around what came from outside, which cannot close it. Pure.
 * What a person cannot see in a result, the model does not get either: control characters, text direction, invisible tags.
 */
import { type ToldCall, MAX_PART_CHARS } from '../db/load-conversation.ts';

/** A call's outcome as JSON text; what stands in it of the tool's own result is at most `most` characters. */
export function describeResult(call: ToldCall, most: number = MAX_PART_CHARS): string {
  const limit = Math.min(most, MAX_PART_CHARS);
  const edited =
    call.editedArguments === null ? '' : `,"executed_with":${quote(call.editedArguments, limit)}`;
  switch (call.status) {
    case 'done':
      return `{"status":"done"${edited}${untrusted(call, limit)}}`;
    case 'failed':
      return `{"status":"failed"${edited},"error":${quote(call.error ?? '', limit)}${untrusted(call, limit)}}`;
    case 'denied':
      return `{"status":"denied","reason":${quote(call.error ?? 'A person denied this call.', limit)}}`;
    case 'unknown':
      return JSON.stringify({
        status: 'unknown',
        note: 'The request was sent, and it is not known whether it took effect. Do not repeat it. Tell the user.',
      });
    case 'pending':
    case 'waiting':
    case 'started':
      return JSON.stringify({ status: 'not_run' });
  }
}

/** The model's own text; where it is too long, a JSON object that says so. */
export function describeArguments(call: ToldCall, most: number): string {
  if (call.argumentsCharacters <= Math.min(most, MAX_PART_CHARS)) return call.arguments;
  return JSON.stringify({ left_out: `${call.argumentsCharacters} characters of arguments` });
}

/** The result's own JSON where it is whole; else its beginning as one string, with a note of what was cut. */
function untrusted({ status, resultText, resultCharacters }: ToldCall, limit: number): string {
  if (resultText === null || (status === 'failed' && resultText === 'null'))
    return status === 'done' ? ',"untrusted_result":null' : '';
  if (resultCharacters <= limit) return `,"untrusted_result":${withoutHidden(resultText)}`;
  const cut = `the first ${limit} of ${resultCharacters} characters; the rest is kept, and not shown`;
  return `,"untrusted_result":${quote(resultText, limit)},"cut":${JSON.stringify(cut)}`;
}

/** Text as a JSON string. */
function quote(text: string, limit: number): string {
  return withoutHidden(JSON.stringify(text.slice(0, limit).toWellFormed()));
}

/** An escape in JSON text, of two characters or six; or a character that no screen shows as what it is. */
const ESCAPE_OR_HIDDEN =
  /\\(?:u[0-9a-fA-F]{4}|.)|[\u007F-\u009F\u00AD\u061C\u180E\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB\u{E0000}-\u{E01EF}]/gu;
/** C0 control characters but tab, line feed and carriage return, as JSON writes them. */
const CONTROL_ESCAPE = /^\\(?:u00[01][0-9a-f]|u007f|[bf])$/i;
const KEPT_ESCAPE = /^\\u00(?:09|0a|0d)$/i;

/** JSON text without hidden characters; escapes are looked at as wholes, so that an escaped backslash is none of them. */
function withoutHidden(json: string): string {
  return json.replaceAll(ESCAPE_OR_HIDDEN, (found) => {
    if (!found.startsWith('\\')) return '';
    return CONTROL_ESCAPE.test(found) && !KEPT_ESCAPE.test(found) ? '' : found;
  });
}
