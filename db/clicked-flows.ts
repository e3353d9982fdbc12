/** How many open flows somebody clicked so lately that they are polled for: what polling costs altogether. */
import { ATTEMPT_LIFE } from './attempts.ts';
import { OPEN_FLOW } from './open-rows.ts';
import type { Statement } from './statement.ts';

/** `most` is counted to; more make no difference. */
export function countClickedFlows(most: number): Statement<number> {
  return {
    isPrepared: true,
    text: COUNT,
    values: [most],
    read: ([row]) => (row as { clicked: number }).clicked,
  };
}

const COUNT = `
  select count(*)::int as clicked from (
    select from connection_flows where ${OPEN_FLOW} and last_go_at > now() - ${ATTEMPT_LIFE} limit $1::int
  ) one`;
