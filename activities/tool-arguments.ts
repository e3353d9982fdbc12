/** The model's own text of a call's arguments, read as a JSON object or refused in words that the model can act on. Pure. */
import type { JsonObject } from '../domain/json.ts';

export class ToolCallArgumentsError extends Error {
  override readonly name = 'ToolCallArgumentsError';
}

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
  return value as JsonObject;
}
