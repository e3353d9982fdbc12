/** `Idempotency-Key` of accepted runs: per API key, 24 hours. Spans users, so it runs as the system role. */
import { sql } from 'kysely';
import type { SystemTx } from './scope.ts';

/** As the contract says. */
const LIFETIME = sql<Date>`now() - interval '24 hours'`;
/** An acceptance takes at most about 10 s; one that is older was interrupted, and `sweep` starts its run if there is one. */
const ACCEPTING = sql<boolean>`created_at > now() - interval '30 seconds'`;

export type IdempotencyClaim =
  | { readonly kind: 'new' }
  | { readonly kind: 'replay'; readonly runId: string }
  | { readonly kind: 'accepting' }
  | { readonly kind: 'mismatch' };

/** Takes the key for `runId`, or says who has it. */
export async function claimIdempotencyKey(
  tx: SystemTx,
  claim: { owner: string; key: string; bodyDigest: string; runId: string },
): Promise<IdempotencyClaim> {
  await tx
    .deleteFrom('idempotency_keys')
    .where('owner', '=', claim.owner)
    .where('key', '=', claim.key)
    .where((eb) =>
      eb.or([
        eb('created_at', '<', LIFETIME),
        // Interrupted before the run's row was written: the key was never used.
        eb.and([
          eb.not(ACCEPTING),
          eb.not(
            eb.exists(eb.selectFrom('runs').select('id').whereRef('runs.id', '=', 'idempotency_keys.run_id')),
          ),
        ]),
      ]),
    )
    .execute();
  const inserted = await tx
    .insertInto('idempotency_keys')
    .values({ owner: claim.owner, key: claim.key, body_digest: claim.bodyDigest, run_id: claim.runId })
    .onConflict((oc) => oc.doNothing())
    .returning('run_id')
    .executeTakeFirst();
  if (inserted) return { kind: 'new' };
  const held = await tx
    .selectFrom('idempotency_keys')
    .select(['body_digest', 'run_id', 'accepted_at', ACCEPTING.as('fresh')])
    .where('owner', '=', claim.owner)
    .where('key', '=', claim.key)
    .executeTakeFirst();
  if (!held) return { kind: 'accepting' };
  if (held.body_digest !== claim.bodyDigest) return { kind: 'mismatch' };
  return held.accepted_at === null && held.fresh
    ? { kind: 'accepting' }
    : { kind: 'replay', runId: held.run_id };
}

/**
 * In the transaction that writes the run: the claim is still ours, and from now on as if it were new. Whoever finds it too
 * old meanwhile waits for this transaction, and then finds it new. @returns false when another request has the key now.
 */
export async function renewIdempotencyClaim(
  tx: SystemTx,
  claim: { owner: string; key: string; runId: string },
): Promise<boolean> {
  const renewed = await tx
    .updateTable('idempotency_keys')
    .set({ created_at: sql<Date>`clock_timestamp()` })
    .where('owner', '=', claim.owner)
    .where('key', '=', claim.key)
    .where('run_id', '=', claim.runId)
    .executeTakeFirst();
  return renewed.numUpdatedRows > 0n;
}

export async function settleIdempotencyKey(
  tx: SystemTx,
  claim: { owner: string; key: string; runId: string },
): Promise<void> {
  await tx
    .updateTable('idempotency_keys')
    .set({ accepted_at: sql<Date>`now()` })
    .where('owner', '=', claim.owner)
    .where('key', '=', claim.key)
    .where('run_id', '=', claim.runId)
    .execute();
}

/**
 * A 4xx or 503 does not use the key up. An error whose run is there nevertheless (the commit was made, its answer was lost)
 * does: a repetition must find that run, not make a second one.
 */
export async function releaseIdempotencyKey(
  tx: SystemTx,
  claim: { owner: string; key: string; runId: string },
): Promise<void> {
  await tx
    .deleteFrom('idempotency_keys')
    .where('owner', '=', claim.owner)
    .where('key', '=', claim.key)
    .where('run_id', '=', claim.runId)
    .where((eb) =>
      eb.not(
        eb.exists(eb.selectFrom('runs').select('id').whereRef('runs.id', '=', 'idempotency_keys.run_id')),
      ),
    )
    .execute();
}
