/** Who calls, and whether they call too often. A stranger learns nothing but that; what a route needs is looked at later. */
import { type Authenticate, type Principal, unauthorized } from './auth.ts';
import type { KeyLimit } from './key-limit.ts';
import { ApiProblem } from './problem-codes.ts';
import type { StrangerLimit } from './stranger-limit.ts';

export type CallerLimits = {
  /** Null: switched off. */
  readonly keys: KeyLimit | null;
  readonly strangers: StrangerLimit;
};

export type Caller = { readonly authorization: readonly string[] | undefined; readonly address: string };

/** @throws ApiProblem `unauthorized` or `too_many_requests`. */
export async function admit(
  { authenticate, limits: { keys, strangers } }: { authenticate: Authenticate; limits: CallerLimits },
  { authorization, address }: Caller,
): Promise<Principal> {
  const [header] = authorization ?? [];
  // Without a key nobody guesses; that is told at no cost.
  if (header === undefined) throw unauthorized();
  const badWaitMs = strangers.mayTry(address, header);
  if (badWaitMs !== null) {
    throw tooMany(badWaitMs, { name: 'bad-keys', perMinute: strangers.perMinute });
  }
  const principal = await authenticate(authorization);
  if (!principal) {
    strangers.noteBad(address);
    throw unauthorized();
  }
  strangers.noteGood(header);
  const waitMs = keys === null ? null : await keys.admit(principal.keyId);
  if (keys !== null && waitMs !== null) throw tooMany(waitMs, { name: 'key', perMinute: keys.perMinute });
  return principal;
}

/** The header fields of draft-ietf-httpapi-ratelimit-headers beside Retry-After, for clients that know them. */
function tooMany(waitMs: number, policy: { name: string; perMinute: number }): ApiProblem {
  const seconds = Math.max(1, Math.ceil(waitMs / 1_000));
  return new ApiProblem('too_many_requests', {
    detail:
      policy.name === 'key'
        ? `This key may make ${policy.perMinute} requests a minute.`
        : 'Too many requests with a key that is not valid came from this address.',
    headers: {
      'retry-after': String(seconds),
      ratelimit: `"${policy.name}";r=0;t=${seconds}`,
      'ratelimit-policy': `"${policy.name}";q=${policy.perMinute};w=60`,
    },
  });
}
