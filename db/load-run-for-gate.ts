/** A run with what its gate must know of its user's accounts: one statement, for every run begins with it. */
import type { AccountKnowledge } from '../domain/gate.ts';
import type { JsonObject } from '../domain/json.ts';
import { accountKnowledgeQuery, type KnowledgeRow, toAccountKnowledge } from './connections.ts';
import { revive } from './revive.ts';
import { type Run, toRun } from './runs.ts';
import type { Statement } from './statement.ts';

export type LoadedRun = { readonly run: Run; readonly knowledge: (app: string) => AccountKnowledge };

/** Of all the user's apps: which of them the run needs is known after its tools were looked up. */
const LOAD_RUN = `
  select to_jsonb(r) as run, (select jsonb_agg(k) from (${accountKnowledgeQuery('r.user_id', 'null::text[]')}) k) as knowledge
  from runs r where r.id = $1`;

/** Gives null when the user has no such run. */
export function loadRunForGate(runId: string): Statement<LoadedRun | null> {
  return {
    isPrepared: true,
    text: LOAD_RUN,
    values: [runId],
    read: ([row]) => (row ? toLoaded(row as { run: JsonObject; knowledge: KnowledgeRow[] | null }) : null),
  };
}

function toLoaded(row: { run: JsonObject; knowledge: KnowledgeRow[] | null }): LoadedRun {
  return { run: toRun(revive(row.run)), knowledge: toAccountKnowledge(row.knowledge ?? []) };
}
