/** One tool call with its run and what the gate must know of its app: one statement, for every tool call begins with it. */
import type { AccountKnowledge } from '../domain/gate.ts';
import type { JsonObject } from '../domain/json.ts';
import { revive } from './revive.ts';
import { type Run, toRun } from './runs.ts';
import type { Statement } from './statement.ts';
import { type ToolCall, toToolCall } from './transcript.ts';

export type LoadedCall = { readonly run: Run; readonly call: ToolCall; readonly knowledge: AccountKnowledge };

type Loaded = {
  run: JsonObject;
  call: JsonObject;
  unaccepted: string[] | null;
  refused: string[] | null;
  verified: string | null;
};

/** Which attempts count is as in loadAccountKnowledge. */
const LOAD_CALL = `
  select to_jsonb(r) - 'output' as run, to_jsonb(c) as call,
    (select array_agg(a.account_id) from connection_attempts a
      where a.user_id = c.user_id and a.app = c.app and a.account_id is not null
        and a.status <> 'accepted'
        and (a.cleaned_at is null or a.cleaned_at > now() - interval '1 hour')) as unaccepted,
    (select array_agg(id) from (
      select f.refused_account_id as id from connection_flows f
      where f.user_id = c.user_id and f.app = c.app and f.status = 'open' and f.refused_account_id is not null
      union all
      select k.account_id from connections k
      where k.user_id = c.user_id and k.app = c.app and k.refused_at > now() - interval '1 day') as no) as refused,
    (select k.account_id from connections k
      where k.user_id = c.user_id and k.app = c.app and k.verified_at is not null
      order by k.verified_at desc limit 1) as verified
  from tool_calls c join runs r on r.id = c.run_id
  where c.run_id = $1 and c.id = $2`;

/** Gives null when there is no such call of this user. */
export function loadCall(key: { runId: string; callId: string }): Statement<LoadedCall | null> {
  return {
    isPrepared: true,
    text: LOAD_CALL,
    values: [key.runId, key.callId],
    read: ([row]) => (row ? toLoaded(row as Loaded) : null),
  };
}

function toLoaded(row: Loaded): LoadedCall {
  return {
    run: toRun(revive(row.run)),
    call: toToolCall(revive(row.call)),
    knowledge: {
      unaccepted: new Set(row.unaccepted ?? []),
      refused: new Set(row.refused ?? []),
      lastVerified: row.verified,
    },
  };
}
