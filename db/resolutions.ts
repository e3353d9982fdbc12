/** A person's word on a call whose outcome is unknown: the only way out of that status. The first word wins. */
import { sql } from 'kysely';
import { type Json, storableJson } from '../domain/json.ts';
import type { ResolutionOutcome } from '../domain/statuses.ts';
import type { AnyTx, SystemTx, UserTx } from './scope.ts';

type Key = { readonly runId: string; readonly callId: string };

/** `done`: it took effect, with this result if known. `not_done`: it did not, and may be done again. */
export async function resolveToolCall(
  tx: AnyTx,
  key: Key,
  resolution: { outcome: ResolutionOutcome; result: Json | null; resolver: string },
): Promise<boolean> {
  const isDone = resolution.outcome === 'done';
  const result = await tx
    .updateTable('tool_calls')
    .set({
      status: isDone ? 'done' : 'failed',
      result: resolution.result === null ? null : storableJson(resolution.result),
      error: isDone ? null : 'A person found that this call had no effect.',
      resolution: resolution.outcome,
      resolver: resolution.resolver,
      resolved_at: sql<Date>`clock_timestamp()`,
    })
    .where('run_id', '=', key.runId)
    .where('id', '=', key.callId)
    .where('status', '=', 'unknown')
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** The workflow that waited has heard it. */
export async function markResolutionHeard(tx: UserTx, key: Key): Promise<void> {
  await tx
    .updateTable('tool_calls')
    .set({ resolution_heard_at: sql<Date>`clock_timestamp()` })
    .where('run_id', '=', key.runId)
    .where('id', '=', key.callId)
    .execute();
}

/** Calls that were resolved a while ago and whose run still waits for it: the word to its workflow was lost. */
export async function listUnheardResolutions(
  tx: SystemTx,
  page: { olderThanMs: number; limit: number },
): Promise<readonly Key[]> {
  const rows = await tx
    .selectFrom('tool_calls')
    .innerJoin('runs', 'runs.id', 'tool_calls.run_id')
    .select(['tool_calls.run_id', 'tool_calls.id'])
    .where('tool_calls.resolved_at', '<', sql<Date>`now() - ${page.olderThanMs} * interval '1 millisecond'`)
    .where('tool_calls.resolution_heard_at', 'is', null)
    .where('runs.on_unknown_outcome', '=', 'wait')
    .where('runs.finished_at', 'is', null)
    .orderBy('tool_calls.resolved_at')
    .limit(page.limit)
    .execute();
  return rows.map((row) => ({ runId: row.run_id, callId: row.id }));
}
