/**
 * Request budgets: one row each, shared by all processes. The statement is `lease` of domain/request-budget.ts in SQL, by
 * this database's clock; a test holds the two equal. One update of one row: whoever comes later waits for its lock, no longer.
 */
import type { BudgetTerms, LeaseAnswer, LeaseAsk } from '../domain/request-budget.ts';
import type { Database } from './pool.ts';
import { asSystemOnce } from './scope.ts';
import type { Statement } from './statement.ts';

/** The one that all requests to Composio take from. */
export const COMPOSIO_BUDGET = 'composio';

// $1 name, $2 interval, $3 burst, $4 reserve, $5 what leases ahead must leave, $6 need, $7 want, $8 pause, $9 class, $10 trickle
const LEASE = `
update request_budgets b
set (granted, asked_at_us, full_at_us, paused_until_us, flows_trickle_us, audit_trickle_us) = (
  select d.regular + d.trickle,
    t.now_us,
    case when d.regular + d.trickle > 0 then s.from_us + (d.regular + d.trickle) * $2::bigint else b.full_at_us end,
    s.paused_until_us,
    case when d.trickle = 1 and $9 = 'flows' then t.now_us + $10::bigint else b.flows_trickle_us end,
    case when d.trickle = 1 and $9 = 'audit' then t.now_us + $10::bigint else b.audit_trickle_us end
  from (select (extract(epoch from clock_timestamp()) * 1000000)::bigint as now_us) t
  cross join lateral (
    select greatest(b.full_at_us, t.now_us) as from_us,
      greatest(b.paused_until_us, case when $8::bigint > 0 then t.now_us + $8::bigint else 0 end) as paused_until_us
  ) s
  cross join lateral (
    select greatest(0, ($3::bigint * $2::bigint - (s.from_us - t.now_us)) / $2::bigint) as free,
      s.paused_until_us > t.now_us as is_paused
  ) f
  cross join lateral (
    select case when f.is_paused then 0
      else greatest(0, least($6::bigint, f.free - $4::bigint), least($7::bigint, f.free - $5::bigint)) end as regular
  ) r
  cross join lateral (
    select r.regular,
      case when not f.is_paused and r.regular = 0 and $6::bigint > 0 and f.free > 0
        and t.now_us >= case $9 when 'flows' then b.flows_trickle_us when 'audit' then b.audit_trickle_us end
      then 1 else 0 end as trickle
  ) d
)
where b.name = $1
returning granted, asked_at_us, full_at_us, paused_until_us, flows_trickle_us, audit_trickle_us`;

/** Told with each pause; the payload is how long it lasts from now, milliseconds. Who does not hear it learns it by its next lease. */
export const PAUSE_CHANNEL = 'bellhop_budget_paused';
const LEASE_AND_TELL = `
with leased as (${LEASE})
select leased.*, pg_notify('${PAUSE_CHANNEL}', ((paused_until_us - asked_at_us) / 1000)::text) from leased`;

type Row = Record<
  'granted' | 'asked_at_us' | 'full_at_us' | 'paused_until_us' | 'flows_trickle_us' | 'audit_trickle_us',
  number
>;

/** @returns null when there is no budget of that name yet. */
export function leasePermits(name: string, ask: LeaseAsk, terms: BudgetTerms): Statement<LeaseAnswer | null> {
  const reserve = terms.reserves[ask.requestClass];
  return {
    text: ask.pauseUs > 0 ? LEASE_AND_TELL : LEASE,
    values: [
      name,
      terms.intervalUs,
      terms.burst,
      reserve,
      Math.max(reserve, terms.comfort),
      ask.need,
      ask.want,
      Math.round(ask.pauseUs),
      ask.requestClass,
      terms.trickleUs[ask.requestClass],
    ],
    read: (rows) => {
      const row = rows[0] as Row | undefined;
      return row ? toAnswer(row) : null;
    },
  };
}

export type BudgetStore = { lease(ask: LeaseAsk): Promise<LeaseAnswer> };

/** The budget of this name, made when it is first asked. */
export function createBudgetStore(db: Database, name: string, terms: BudgetTerms): BudgetStore {
  return {
    async lease(ask) {
      for (;;) {
        const answer = await asSystemOnce(db, leasePermits(name, ask, terms));
        if (answer) return answer;
        await asSystemOnce(db, openBudget(name));
      }
    },
  };
}

function openBudget(name: string): Statement<void> {
  return {
    text: 'insert into request_budgets (name) values ($1) on conflict do nothing',
    values: [name],
    read: () => undefined,
  };
}

function toAnswer(row: Row): LeaseAnswer {
  return {
    granted: row.granted,
    nowUs: row.asked_at_us,
    state: {
      fullAtUs: row.full_at_us,
      pausedUntilUs: row.paused_until_us,
      flowsTrickleUs: row.flows_trickle_us,
      auditTrickleUs: row.audit_trickle_us,
    },
  };
}
