/** The model's own text of a call's arguments, read as a JSON object or refused in words that the model can act on. Pure. */
import { type JsonObject, isNestedDeeper } from '../domain/json.ts';

export class ToolCallArgumentsError extends Error {
  override readonly name = 'ToolCallArgumentsError';
}

/** No tool's schema is nested like this; what is would end the recursion that digests and checks arguments. */
const MAX_DEPTH = 100;

export function parseToolArguments(text: string): JsonObject {
  // Models write nothing at all for a tool without parameters.
  if (text.trim() === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ToolCallArgumentsError('The arguments are not valid JSON. Nothing was done.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ToolCallArgumentsError('The arguments must be a JSON object. Nothing was done.');
  }
  const args = value as JsonObject;
  if (isNestedDeeper(args, MAX_DEPTH))
    throw new ToolCallArgumentsError('The arguments are nested too deeply. Nothing was done.');
  return args;
}
