/** Users of the integrator; the user id is the Composio entity id. */
import type { Selectable } from 'kysely';
import { sql } from 'kysely';
import type { JsonObject } from '../domain/json.ts';
import type { UsersTable } from './schema.ts';
import type { AnyTx, SystemTx, UserTx } from './scope.ts';

export type User = {
  readonly userId: string;
  readonly email: string | null;
  readonly displayName: string | null;
  readonly metadata: JsonObject;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly isErasing: boolean;
};

export type UserFields = {
  readonly email?: string | null;
  readonly displayName?: string | null;
  readonly metadata?: JsonObject;
};

/** Registers a user or updates the fields that are given; a field that is absent stays as it is. */
export async function putUser(
  tx: UserTx,
  userId: string,
  fields: UserFields,
): Promise<{ user: User; isNew: boolean }> {
  const changes = {
    ...(fields.email === undefined ? {} : { email: fields.email }),
    ...(fields.displayName === undefined ? {} : { display_name: fields.displayName }),
    ...(fields.metadata === undefined ? {} : { metadata: JSON.stringify(fields.metadata) }),
  };
  const row = await tx
    .insertInto('users')
    .values({
      user_id: userId,
      email: fields.email ?? null,
      display_name: fields.displayName ?? null,
      metadata: JSON.stringify(fields.metadata ?? {}),
    })
    .onConflict((oc) => oc.column('user_id').doUpdateSet({ ...changes, updated_at: sql<Date>`now()` }))
    .returningAll()
    // xmax is zero exactly for a row that this statement inserted.
    .returning(sql<boolean>`xmax = 0`.as('is_new'))
    .executeTakeFirstOrThrow();
  return { user: toUser(row), isNew: row.is_new };
}

export async function getUser(tx: AnyTx, userId: string): Promise<User | null> {
  const row = await tx.selectFrom('users').selectAll().where('user_id', '=', userId).executeTakeFirst();
  return row ? toUser(row) : null;
}

/** A keyset page of all users, in user id order (byte order). */
export async function listUsers(
  tx: SystemTx,
  page: { after: string | null; limit: number },
): Promise<readonly User[]> {
  let query = tx.selectFrom('users').selectAll().orderBy('user_id').limit(page.limit);
  if (page.after !== null) query = query.where('user_id', '>', page.after);
  return (await query.execute()).map(toUser);
}

/** Ids only, for the audit. */
export async function pageUserIds(
  tx: SystemTx,
  page: { after: string | null; limit: number },
): Promise<readonly string[]> {
  let query = tx.selectFrom('users').select('user_id').orderBy('user_id').limit(page.limit);
  if (page.after !== null) query = query.where('user_id', '>', page.after);
  return (await query.execute()).map((row) => row.user_id);
}

/** Of these ids, the ones that are users of ours. */
export async function knownUserIds(tx: SystemTx, ids: readonly string[]): Promise<ReadonlySet<string>> {
  if (ids.length === 0) return new Set();
  const rows = await tx
    .selectFrom('users')
    .select('user_id')
    .where('user_id', '=', sql<string>`any(${ids as string[]}::text[])`)
    .execute();
  return new Set(rows.map((row) => row.user_id));
}

function toUser(row: Selectable<UsersTable>): User {
  return {
    userId: row.user_id,
    email: row.email,
    displayName: row.display_name,
    metadata: row.metadata,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    isErasing: row.erasure_id !== null,
  };
}
