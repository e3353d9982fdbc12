/** A consent becomes a connection: one statement, whoever proved it (callback, polling, the integrator's confirmation). */
import { type Attempt, LIVE_ATTEMPTS } from './attempts.ts';
import { isRefused } from './episodes.ts';
import { completing } from './flows.ts';
import type { Database } from './pool.ts';
import { type UserTx, forUserBehindLock } from './scope.ts';
import { type Statement, runStatement } from './statement.ts';

export type Proof = 'callback' | 'poll' | 'confirm';
/** Runs that wait for the flow, to be signalled. */
export type Accepted = { readonly runIds: readonly string[] };

/**
 * In the order in which all take these rows, as an update does (what refers to a flow may be written meanwhile). It comes before the statement, whose snapshot then has what was written by whoever held
 * them: an episode that a run has opened meanwhile is closed with the others.
 */
const LOCK = `
  select from connection_flows f join connection_attempts a on a.flow_id = f.id where a.id = $1::text for no key update of f, a`;

const ACCEPT = `
  with ${completing(`exists (
      select from connection_attempts a where a.id = $3::text and a.flow_id = $1::text and a.account_id = $2::text and a.status = any($5::text[]))`)},
  accepted as (
    update connection_attempts a set status = 'accepted', accepted_by = $4::text from done where a.id = $3::text
  ), superseded as (
    update connection_attempts a set status = 'superseded', reason = 'flow_ended' from done
    where a.flow_id = done.id and a.id <> $3::text and a.status = any($5::text[])
  ), closed as (
    update connection_episodes e set closed_at = statement_timestamp() from done
    where e.user_id = done.user_id and e.app = done.app and e.closed_at is null
      and e.opened_at <= statement_timestamp() and not ${isRefused('e', 'done.id')}
  )
  select (
    select jsonb_agg(w.run_id order by w.run_id) from flow_waiters w where w.flow_id = done.id and w.state = 'waiting'
  ) as run_ids from done`;

type AcceptedAttempt = Pick<Attempt, 'id' | 'flowId' | 'accountId'>;

/**
 * The caller has read the account back from Composio: this flow's user, this flow's app, ACTIVE.
 * @returns null when the attempt or the flow had ended meanwhile; then nothing was changed.
 */
export async function acceptAttempt(
  tx: UserTx,
  attempt: AcceptedAttempt,
  proof: Proof,
): Promise<Accepted | null> {
  await runStatement(tx, { text: LOCK, values: [attempt.id], read: () => undefined });
  return runStatement(tx, accepting(attempt, proof));
}

/** `acceptAttempt` in a transaction of its own, in one trip. */
export async function acceptAttemptOnce(
  db: Database,
  attempt: AcceptedAttempt & Pick<Attempt, 'userId'>,
  proof: Proof,
): Promise<Accepted | null> {
  const lock = { text: LOCK, values: [attempt.id] };
  return forUserBehindLock(db, attempt.userId, lock, accepting(attempt, proof));
}

function accepting({ id, flowId, accountId }: AcceptedAttempt, proof: Proof): Statement<Accepted | null> {
  return {
    isPrepared: true,
    text: ACCEPT,
    values: [flowId, accountId, id, proof, LIVE_ATTEMPTS],
    read: ([row]) => (row ? { runIds: (row as { run_ids: string[] | null }).run_ids ?? [] } : null),
  };
}
