/**
 * The usual begin of a run, all of whose connections work: started and admitted (or put in line), its first event, and what
 * was seen of the accounts, in one statement. Anything else is begun in a transaction of several (activities/run-activities.ts).
 */
import type { ConnectedAccount } from '../domain/gate.ts';
import { storableText } from '../domain/json.ts';
import { AHEAD_IN_LINE } from './run-queue.ts';
import type { Statement } from './statement.ts';

/** As admitRun, recordConnections, forgetMissingConnections and closeEpisodes do it. */
const BEGIN_RUN = `
  with line as (${AHEAD_IN_LINE}), run as (
    update runs r set
      started_at = now(), apps = $3::text[], updated_at = now(), last_event_seq = last_event_seq + 1,
      admitted_at = case when line.ahead < $4::int then clock_timestamp() end,
      queued_at = case when line.ahead < $4::int then null else clock_timestamp() end
    from line
    where r.id = $1::text and r.started_at is null and r.finished_at is null and r.status = 'running'
    returning r.last_event_seq, r.admitted_at is not null as is_admitted
  ), told as (
    insert into run_events (run_id, seq, user_id, type) select $1::text, last_event_seq, $2::text, 'run.started' from run
  ), seen as (
    insert into connections (user_id, account_id, app, status, status_reason, disabled, connected_at)
    select $2::text, a.account_id, a.app, a.status, a.status_reason, a.disabled,
      case when a.status = 'ACTIVE' then a.created_at end
    from run, unnest($5::text[], $6::text[], $7::text[], $8::text[], $9::boolean[], $10::timestamptz[])
      as a(account_id, app, status, status_reason, disabled, created_at)
    on conflict (user_id, account_id) do update set
      status = excluded.status, status_reason = excluded.status_reason, disabled = excluded.disabled,
      connected_at = coalesce(connections.connected_at, case when excluded.status = 'ACTIVE' then now() end),
      refused_at = case when excluded.status = 'ACTIVE' then connections.refused_at end,
      last_checked_at = now()
  ), gone as (
    delete from connections k using run
    where k.user_id = $2::text and k.app = any($3::text[]) and k.account_id <> all($5::text[])
  ), mended as (
    update connection_episodes e set closed_at = now() - $11::float8 * interval '1 millisecond' from run
    where e.user_id = $2::text and e.app = any($3::text[]) and e.closed_at is null
      and e.opened_at <= now() - $11::float8 * interval '1 millisecond'
      and not exists (
        select 1 from connection_flows f
        where f.user_id = e.user_id and f.app = e.app
          and f.status = 'open' and f.refused_account_id is not null and f.expires_at > now())
  )
  select is_admitted from run`;

/** Gives null when the run began before, has ended, or waits for something: nothing was changed then. */
export function beginRunAtOnce(begin: {
  readonly runId: string;
  readonly userId: string;
  /** Those that its tools need, each of which has an account that may act. */
  readonly apps: readonly string[];
  readonly accounts: readonly ConnectedAccount[];
  /** Of performance.now, before Composio was asked for them. */
  readonly askedAt: number;
  /** Runs of the user that may be at work at once. */
  readonly userRuns: number;
}): Statement<{ isAdmitted: boolean } | null> {
  // A list that changes while it is paged shows an account twice, and one statement may not write a row twice.
  // In the order in which recordConnections takes them.
  const accounts = [...new Map(begin.accounts.map((account) => [account.id, account])).values()].toSorted(
    (a, b) => (a.id < b.id ? -1 : 1),
  );
  return {
    isPrepared: true,
    text: BEGIN_RUN,
    // Made when the transaction begins, whose clock it is held against: there may have been a wait for a connection.
    get values() {
      return [
        begin.runId,
        begin.userId,
        begin.apps,
        begin.userRuns,
        accounts.map((account) => account.id),
        accounts.map((account) => account.app),
        accounts.map((account) => account.status),
        accounts.map((account) =>
          account.statusReason === null ? null : storableText(account.statusReason),
        ),
        accounts.map((account) => account.disabled),
        accounts.map((account) => account.createdAt),
        Math.max(0, performance.now() - begin.askedAt),
      ];
    },
    read: ([row]) => (row ? { isAdmitted: (row as { is_admitted: boolean }).is_admitted } : null),
  };
}
