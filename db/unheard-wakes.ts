/** Runs whose flow was completed a moment ago and that have not gone on: what a crowd of callbacks has Temporal and the workers do. */
import type { Statement } from './statement.ts';

/** What takes longer is held up by something else: nobody waits for it. */
const A_MOMENT = "interval '3 seconds'";
/** No more are counted than matter. */
const MOST = 1_000;

const COUNT = `
  select count(*)::int as unheard from (
    select from connection_flows f join flow_waiters w on w.flow_id = f.id
    where f.ended_at > now() - ${A_MOMENT} and f.status = 'completed' and w.state = 'waiting' limit ${MOST}
  ) one`;

export function countUnheardWakes(): Statement<number> {
  return {
    isPrepared: true,
    text: COUNT,
    values: [],
    read: ([row]) => (row as { unheard: number }).unheard,
  };
}
