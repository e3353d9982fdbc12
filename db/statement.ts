/**
 * A statement written once, for the paths that every turn takes: its text is a constant, what varies travels as parameters.
 * Query builders put their text together anew each time, which costs more than sending it.
 */
import { CompiledQuery, type Kysely } from 'kysely';
import type { Schema } from './schema.ts';

export type Statement<T> = {
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
