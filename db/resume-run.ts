/**
 * The usual end of a run's wait for connections: each app that it needs was connected a moment ago, by a flow that the run waited for
 * and that read the account back from Composio. Started again, admitted (or put in line) and told, in one statement and without a
 * request. Anything else is for the gate, which asks Composio (activities/run-activities.ts).
 */
import type { RunLimits } from '../domain/limits.ts';
import { AHEAD_IN_LINE } from './run-queue.ts';
import type { Statement } from './statement.ts';

/** So long ago, what a flow has read back is as good as what the gate would read now: a tool call reads once more anyway. */
const LATELY = "interval '5 minutes'";

/** As settleWaiters, admitRun and appendEvents do it. */
const RESUME_RUN = `
  with line as (${AHEAD_IN_LINE}), waits as (
    select app, row_number() over (order by app) as n from (
      select distinct app from flow_waiters where run_id = $1::text and state = 'waiting'
    ) w
  ), run as (
    update runs r set
      status = 'running', updated_at = now(), last_event_seq = r.last_event_seq + (select count(*) from waits),
      admitted_at = case when r.admitted_at is not null then r.admitted_at
        when line.ahead < $3::int then clock_timestamp() end,
      queued_at = case when r.admitted_at is null and line.ahead >= $3::int then clock_timestamp() end
    from line
    where r.id = $1::text and r.user_id = $2::text and r.status = 'waiting_for_connection'
      and r.finished_at is null and r.cancel_requested_at is null
      and exists (select from waits)
      and not exists (
        select from unnest(r.apps || array(select app from waits)) as needed(app)
        where not exists (
          select from flow_waiters w
          join connection_flows f on f.id = w.flow_id
          join connections k on k.user_id = f.user_id and k.account_id = f.account_id
          where w.run_id = r.id and w.app = needed.app
            and f.status = 'completed' and f.ended_at > now() - ${LATELY}
            and k.app = w.app and k.status = 'ACTIVE' and not k.disabled
            and k.verified_at >= f.ended_at and k.refused_at is null
        ) or exists (
          select from connection_flows again
          where again.user_id = r.user_id and again.app = needed.app and again.status = 'open'
        )
      )
    returning r.last_event_seq, r.connect_timeout_ms, r.limits, r.admitted_at is not null as is_admitted
  ), woken as (
    update flow_waiters w set state = 'woken' from run where w.run_id = $1::text and w.state = 'waiting'
  ), told as (
    insert into run_events (run_id, seq, user_id, type, data)
    select $1::text, run.last_event_seq - (select count(*) from waits) + waits.n, $2::text, 'connection.completed',
      jsonb_build_object('app', waits.app)
    from run, waits
  )
  select connect_timeout_ms, limits, is_admitted from run`;

export type ResumedRun = {
  /** False: it waits in line for a place among its user's runs. */
  readonly isAdmitted: boolean;
  readonly connectTimeoutMs: number;
  readonly limits: RunLimits;
};

/** Gives null when the gate must look: nothing was changed then. */
export function resumeRunAtOnce(resume: {
  readonly runId: string;
  readonly userId: string;
  /** Runs of the user that may be at work at once. */
  readonly userRuns: number;
}): Statement<ResumedRun | null> {
  return {
    isPrepared: true,
    text: RESUME_RUN,
    values: [resume.runId, resume.userId, resume.userRuns],
    read: ([row]) => (row ? toResumed(row as Row) : null),
  };
}

type Row = {
  readonly is_admitted: boolean;
  readonly connect_timeout_ms: string | number;
  readonly limits: RunLimits;
};
const toResumed = (row: Row): ResumedRun => ({
  isAdmitted: row.is_admitted,
  connectTimeoutMs: Number(row.connect_timeout_ms),
  limits: row.limits,
});
