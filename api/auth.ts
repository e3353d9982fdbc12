/**
 * Who calls. Keys are known by their SHA-256 digests only: the bootstrap key of the environment, compared in constant time,
 * and the stored ones. Each key goes the same way, digest and look-up, so that a caller cannot tell a malformed one from an
 * unknown or a deleted one, by the answer or by its time.
 */
import { timingSafeEqual } from 'node:crypto';
import { sha256 } from '../db/ids.ts';
import type { Scope } from '../domain/scopes.ts';
import { ApiProblem } from './problem-codes.ts';
import type { FindKey } from './stored-keys.ts';

export type { Scope } from '../domain/scopes.ts';

export type Principal = {
  /** Names the key in our own rows: idempotency keys are kept per API key. */
  readonly keyId: string;
  /** As whoever made the key called it, for people. The bootstrap key has no name but its id. */
  readonly keyName?: string;
  readonly scopes: readonly Scope[];
};

export type Authenticate = (authorization: readonly string[] | undefined) => Promise<Principal | null>;

const BOOTSTRAP: Principal = { keyId: 'bootstrap', scopes: ['admin'] };

/** @throws RangeError for an empty bootstrap key; null switches it off. */
export function createAuthenticate({
  bootstrapKey,
  findKey = async () => null,
}: {
  bootstrapKey: string | null;
  findKey?: FindKey;
}): Authenticate {
  if (bootstrapKey === '') throw new RangeError('the bootstrap key is empty');
  const expected = bootstrapKey === null ? null : sha256(bootstrapKey);
  return async (authorization) => {
    // Two headers would let a proxy and us disagree about who calls.
    const only = authorization?.length === 1 ? authorization[0] : undefined;
    const hash = sha256(/^Bearer ([\x21-\x7e]+)$/i.exec(only ?? '')?.[1] ?? '');
    if (expected !== null && timingSafeEqual(hash, expected)) return BOOTSTRAP;
    const holder = await findKey(hash);
    return holder && { keyId: holder.id, keyName: holder.name, scopes: holder.scopes };
  };
}

export function hasScope(principal: Principal, scope: Scope): boolean {
  return principal.scopes.includes('admin') || principal.scopes.includes(scope);
}

/** The same for every kind of bad key. */
export function unauthorized(): ApiProblem {
  return new ApiProblem('unauthorized', { headers: { 'www-authenticate': 'Bearer realm="bellhop"' } });
}

export function forbidden(scope: Scope): ApiProblem {
  return new ApiProblem('forbidden', { detail: `This needs a key with the scope "${scope}".` });
}
