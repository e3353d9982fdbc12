/**
 * API keys. What is stored is the SHA-256 of a key, which is 256 random bits, so that nothing slower is needed; a key that
 * is deleted has no row, and so is an unknown one to whoever asks. Spans users, so all of this runs as the system role.
 */
import { sql } from 'kysely';
import type { Scope } from '../domain/scopes.ts';
import type { SystemTx } from './scope.ts';
import type { Statement } from './statement.ts';

export type ApiKey = {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: Date;
  /** To the minute. */
  readonly lastUsedAt: Date | null;
};
export type KeyHolder = Pick<ApiKey, 'id' | 'name' | 'scopes'>;

const COLUMNS = ['id', 'name', 'scopes', 'created_at', 'last_used_at'] as const;

export async function addApiKey(tx: SystemTx, key: KeyHolder & { readonly hash: Buffer }): Promise<ApiKey> {
  const row = await tx
    .insertInto('api_keys')
    .values({ id: key.id, name: key.name, scopes: [...key.scopes], key_hash: key.hash })
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
  return toApiKey(row);
}

/** @returns the key that is gone now; null when there is none. */
export async function deleteApiKey(tx: SystemTx, id: string): Promise<KeyHolder | null> {
  const row = await tx
    .deleteFrom('api_keys')
    .where('id', '=', id)
    .returning(['id', 'name', 'scopes'])
    .executeTakeFirst();
  return row ?? null;
}

/** Newest first. `createdAtText` is the exact key (microseconds), for the cursor. */
export async function listApiKeys(
  tx: SystemTx,
  page: { before: { createdAt: string; id: string } | null; limit: number },
): Promise<readonly { key: ApiKey; createdAtText: string }[]> {
  let query = tx
    .selectFrom('api_keys')
    .select(COLUMNS)
    .select(sql<string>`created_at::text`.as('created_at_text'))
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(page.limit);
  const { before } = page;
  if (before)
    query = query.where(sql<boolean>`(created_at, id) < (${before.createdAt}::timestamptz, ${before.id})`);
  return (await query.execute()).map((row) => ({ key: toApiKey(row), createdAtText: row.created_at_text }));
}

/** Whether anybody could still make keys without the bootstrap key. */
export async function hasAdminKey(tx: SystemTx): Promise<boolean> {
  const row = await tx
    .selectFrom('api_keys')
    .select('id')
    .where(sql<boolean>`'admin' = any(scopes)`)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Whose key it is; the last use is noted on the way, at most once a minute, so that a busy key is no row that everybody
 * writes. The look-up is by a digest: how long it takes tells nothing about any key.
 */
export function findKeyHolder(hash: Buffer): Statement<KeyHolder | null> {
  return {
    text: `with used as (
        update api_keys set last_used_at = now()
        where key_hash = $1 and (last_used_at is null or last_used_at < now() - interval '1 minute')
      )
      select id, name, scopes from api_keys where key_hash = $1`,
    values: [hash],
    read: ([row]) => (row as KeyHolder | undefined) ?? null,
  };
}

function toApiKey(row: {
  id: string;
  name: string;
  scopes: Scope[];
  created_at: Date;
  last_used_at: Date | null;
}): ApiKey {
  return {
    id: row.id,
    name: row.name,
    scopes: row.scopes,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
  };
}
