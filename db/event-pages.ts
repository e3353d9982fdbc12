/** Events of many runs in one statement, each from a position of its own: what live readers of events ask for. */
import { sql } from 'kysely';
import type { JsonObject } from '../domain/json.ts';
import type { RunEventType } from '../domain/statuses.ts';
import type { RunEvent } from './events.ts';
import type { SystemTx } from './scope.ts';

export type EventPosition = { readonly runId: string; readonly after: number };
export type EventPage = {
  readonly events: readonly RunEvent[];
  /** As of the same moment as the events: an ended run with no event after these has told everything. */
  readonly isRunEnded: boolean;
};
type Row = {
  n: number;
  is_ended: boolean;
  seq: number | null;
  type: RunEventType;
  at: Date;
  data: JsonObject;
};

/** One page for each position, in order; null where there is no such run. */
export async function readEventPages(
  tx: SystemTx,
  positions: readonly EventPosition[],
  limit: number,
): Promise<readonly (EventPage | null)[]> {
  const { rows } = await sql<Row>`
    select p.n::int as n, r.finished_at is not null as is_ended, e.seq, e.type, e.at, e.data
    from unnest(${positions.map((p) => p.runId)}::text[], ${positions.map((p) => p.after)}::int[])
      with ordinality as p(run_id, after, n)
    join runs r on r.id = p.run_id
    left join lateral (
      select seq, type, at, data from run_events where run_id = p.run_id and seq > p.after order by seq limit ${limit}
    ) e on true
    order by p.n, e.seq
  `.execute(tx);
  const byPosition = Map.groupBy(rows, (row) => row.n - 1);
  return positions.map(({ runId }, i) => {
    const page = byPosition.get(i);
    if (!page) return null;
    const events = page.flatMap(({ seq, type, at, data }) =>
      seq === null ? [] : [{ seq, type, at, runId, data }],
    );
    return { events, isRunEnded: page[0]?.is_ended === true };
  });
}
