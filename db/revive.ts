/** Rows that a statement gave as JSON (`to_jsonb`), back as the driver would have given them. */
import type { JsonObject } from '../domain/json.ts';

/** Columns named `…_at` are instants, which JSON carries as text. Typed as `never`, so that it fits whichever table's mapper takes it. */
export function revive(row: JsonObject): never {
  // In place: the row was parsed for us alone, and this is done for each of a conversation's.
  const columns = row as Record<string, unknown>;
  for (const name in columns) {
    const value = columns[name];
    if (typeof value === 'string' && name.endsWith('_at')) columns[name] = new Date(value);
  }
  return columns as never;
}
