/**
 * A statement written once, for the paths that every turn takes: its text is a constant, what varies travels as parameters.
 * Query builders put their text together anew each time, which costs more than sending it.
 */
import { createHash } from 'node:crypto';
import { CompiledQuery, type Kysely } from 'kysely';
import type { Schema } from './schema.ts';

export type Statement<T> = {
  /**
   * Given, each connection has PostgreSQL parse and plan it once (see `Database.prepares`). For statements that every turn
   * makes and whose best plan does not hang on their values.
   */
  readonly isPrepared?: true;
  readonly text: string;
  readonly values: readonly unknown[];
  /** From the rows, as the driver gives them. */
  readonly read: (rows: readonly unknown[]) => T;
};

/** In a transaction that is open already. `forUserOnce` of scope.ts gives a statement a transaction of its own. */
export async function runStatement<T>(tx: Kysely<Schema>, { text, values, read }: Statement<T>): Promise<T> {
  const { rows } = await tx.executeQuery(CompiledQuery.raw(text, [...values]));
  return read(rows);
}

const names = new Map<string, string>();

/** Of a prepared statement, by its text: sessions that a pooler hands around may hold those of another release. */
export function preparedName(text: string): string {
  let name = names.get(text);
  if (name === undefined) {
    name = `bellhop-${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
    names.set(text, name);
  }
  return name;
}

/** `invalid_sql_statement_name`, `duplicate_prepared_statement`: the session is not the one that it was. */
const SESSION_CHANGED: ReadonlySet<unknown> = new Set(['26000', '42P05']);

export function isSessionChanged(error: unknown): boolean {
  return SESSION_CHANGED.has((error as { code?: unknown } | null)?.code);
}
