/**
 * Who calls. Keys are compared by their SHA-256 digests in constant time; a caller cannot tell a malformed key from an
 * unknown one. Today there is the bootstrap key; stored keys are to be looked up here too, hence the promise.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { ApiProblem } from './problem-codes.ts';

export const SCOPES = ['runs', 'operator', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export type Principal = {
  /** Names the key in our own rows: idempotency keys are kept per API key. */
  readonly keyId: string;
  readonly scopes: readonly Scope[];
};

export type Authenticate = (authorization: readonly string[] | undefined) => Promise<Principal | null>;

export function createAuthenticate({ bootstrapKey }: { bootstrapKey: string }): Authenticate {
  if (bootstrapKey === '') throw new RangeError('the bootstrap key is empty');
  const expected = digest(bootstrapKey);
  return async (authorization) => {
    // Two headers would let a proxy and us disagree about who calls.
    const only = authorization?.length === 1 ? authorization[0] : undefined;
    const key = /^Bearer ([\x21-\x7e]+)$/i.exec(only ?? '')?.[1] ?? '';
    return timingSafeEqual(digest(key), expected) ? { keyId: 'bootstrap', scopes: ['admin'] } : null;
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
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
