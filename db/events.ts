/** A run's events, written in the transaction of what they tell, numbered from 1 without gaps by the run row's own counter. */
import { sql } from 'kysely';
import type { JsonObject } from '../domain/json.ts';
import type { RunEventType } from '../domain/statuses.ts';
import type { AnyTx } from './scope.ts';

export type NewRunEvent = {
  readonly type: RunEventType;
  /** Ids, names and statuses only. */ readonly data?: JsonObject;
};
export type RunEvent = {
  readonly seq: number;
  readonly type: RunEventType;
  readonly at: Date;
  readonly runId: string;
  readonly data: JsonObject;
};

/** Takes the numbers under the run row's lock, so that a reader who sees number n has seen all before it. */
export async function appendEvents(
  tx: AnyTx,
  run: { id: string; userId: string },
  events: readonly NewRunEvent[],
): Promise<void> {
  if (events.length === 0) return;
  const types = events.map((event) => event.type);
  const data = events.map((event) => JSON.stringify(event.data ?? {}));
  await sql`
    with counter as (
      update runs set last_event_seq = last_event_seq + ${events.length} where id = ${run.id}
      returning last_event_seq - ${events.length} as base
    )
    insert into run_events (run_id, seq, user_id, type, data)
    select ${run.id}, counter.base + e.n, ${run.userId}, e.type, e.data::jsonb
    from counter, unnest(${types}::text[], ${data}::text[]) with ordinality as e(type, data, n)
  `.execute(tx);
}

/** Events after `after`, in order. */
export async function listEvents(
  tx: AnyTx,
  runId: string,
  page: { after: number; limit: number },
): Promise<readonly RunEvent[]> {
  const rows = await tx
    .selectFrom('run_events')
    .selectAll()
    .where('run_id', '=', runId)
    .where('seq', '>', page.after)
    .orderBy('seq')
    .limit(page.limit)
    .execute();
  return rows.map((row) => ({ seq: row.seq, type: row.type, at: row.at, runId: row.run_id, data: row.data }));
}
