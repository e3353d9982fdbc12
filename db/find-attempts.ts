/** Attempts with their flows, by the ids that callbacks name: one statement for all who come back in the same moment. */
import type { JsonObject } from '../domain/json.ts';
import { type Attempt, type AttemptRow, toAttempt } from './attempts.ts';
import { type Flow, toFlow } from './flows.ts';
import { revive } from './revive.ts';
import type { Statement } from './statement.ts';

export type FoundAttempt = { readonly attempt: Attempt; readonly flow: Flow };

const FIND = `
  select a.*, a.expires_at <= now() as is_over, to_jsonb(f) as flow from connection_attempts a join connection_flows f on f.id = a.flow_id
  where a.id = any($1::text[])`;

/** Of any user: a browser says who it is only afterwards. Those that are not there are left out. */
export function findAttempts(attemptIds: readonly string[]): Statement<ReadonlyMap<string, FoundAttempt>> {
  return {
    isPrepared: true,
    text: FIND,
    values: [attemptIds],
    read: (rows) => new Map((rows as readonly Row[]).map((row) => [row.id, toFound(row)])),
  };
}

type Row = AttemptRow & { readonly flow: JsonObject };
const toFound = (row: Row): FoundAttempt => ({
  attempt: toAttempt(row),
  flow: toFlow(revive(row.flow)),
});
