/** Rows that a statement gave as JSON (`to_jsonb`), back as the driver would have given them. */
import type { JsonObject } from '../domain/json.ts';

/** Columns named `…_at` are instants, which JSON carries as text. The caller names the table's row type. */
export function revive<Row>(row: JsonObject): Row {
  const columns = Object.entries(row).map(([name, value]) => [
    name,
    name.endsWith('_at') && typeof value === 'string' ? new Date(value) : value,
  ]);
  return Object.fromEntries(columns) as Row;
}
