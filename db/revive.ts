/** Rows that a statement gave as JSON (`to_jsonb`), back as the driver would have given them. */
import type { JsonObject } from '../domain/json.ts';

/** Columns named `…_at` are instants, which JSON carries as text. Typed as `never`, so that it fits whichever table's mapper takes it. */
export function revive(row: JsonObject): never {
  const columns = Object.entries(row).map(([name, value]) => [
    name,
    name.endsWith('_at') && typeof value === 'string' ? new Date(value) : value,
  ]);
  return Object.fromEntries(columns) as never;
}
