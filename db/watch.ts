/** Marks runs as watched: while the mark lasts, each change of status and each event of theirs is told on RUN_CHANNEL. */
import { sql } from 'kysely';
import type { SystemTx } from './scope.ts';

/** What the trigger of migration 0004 notifies on; the payload is the run's id. */
export const RUN_CHANNEL = 'bellhop_runs';

/** A process that dies leaves its marks; what they cost (slower commits of those runs) ends after this. */
const MARK_LASTS_S = 120;
/** How soon a process must come back for a run that it goes on watching. */
export const MARK_RENEWED_AFTER_MS = 60_000;
/** A mark that lasts at least this much longer is as good as new: several readers and processes share one write. */
const MARK_SUFFICES_S = 70;

/**
 * Takes the runs' row locks, in the order of their ids, but waits for none: a run that is being written is left for the
 * next try. @returns the open runs that are not marked yet.
 */
export async function watchRuns(tx: SystemTx, ids: readonly string[]): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    with stale as (
      select id from runs
      where id = any(${ids as string[]}::text[]) and finished_at is null
        and coalesce(watched_until < now() + ${MARK_SUFFICES_S} * interval '1 second', true)
    ), free as (
      select id from runs where id in (select id from stale) order by id for update skip locked
    ), marked as (
      update runs set watched_until = now() + ${MARK_LASTS_S} * interval '1 second'
      from free where runs.id = free.id returning runs.id
    )
    select id from stale where id not in (select id from marked)
  `.execute(tx);
  return rows.map((row) => row.id);
}
