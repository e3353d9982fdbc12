/** A flow with all that its end leads to, in one statement: of a crowd that comes back, each flow ends with it. */
import type { JsonObject } from '../domain/json.ts';
import { type Flow, toFlow } from './flows.ts';
import { revive } from './revive.ts';
import type { Statement } from './statement.ts';

export type FlowEndFacts = {
  readonly flow: Flow;
  /** Until it expires, by the database's clock; negative when it should have. */
  readonly leftMs: number;
  /** That wait for it, to be signalled. */
  readonly runIds: readonly string[];
  /** Its account takes the place of another one, whose attempt is to be superseded (supersedeAccounts). */
  readonly replaces: boolean;
  /** Accounts of this user and app are to be deleted at Composio (listUncleanAttempts). */
  readonly isUnclean: boolean;
};

const LOAD_END = `
  select to_jsonb(f) as flow, (extract(epoch from f.expires_at - now()) * 1000)::float8 as left_ms,
    (select jsonb_agg(w.run_id) from flow_waiters w where w.flow_id = f.id and w.state = 'waiting') as run_ids,
    exists (
      select from connection_attempts a join connection_flows theirs on theirs.id = a.flow_id
      where a.user_id = f.user_id and a.app = f.app and a.status = 'accepted'
        and a.account_id <> f.account_id and theirs.ended_at <= f.ended_at
    ) as replaces,
    exists (
      select from connection_attempts a
      where a.user_id = f.user_id and a.app = f.app and a.account_id is not null
        and a.cleaned_at is null and a.status in ('failed', 'expired', 'superseded')
    ) as is_unclean
  from connection_flows f where f.id = $1::text`;

/** Gives null when the user has no such flow. */
export function loadFlowEnd(flowId: string): Statement<FlowEndFacts | null> {
  return {
    isPrepared: true,
    text: LOAD_END,
    values: [flowId],
    read: ([row]) => (row ? toFacts(row as Row) : null),
  };
}

type Row = {
  flow: JsonObject;
  left_ms: number;
  run_ids: string[] | null;
  replaces: boolean;
  is_unclean: boolean;
};
const toFacts = (row: Row): FlowEndFacts => ({
  flow: toFlow(revive(row.flow)),
  leftMs: row.left_ms,
  runIds: row.run_ids ?? [],
  replaces: row.replaces,
  isUnclean: row.is_unclean,
});
