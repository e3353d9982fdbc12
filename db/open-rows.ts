/**
 * What is open, in the words of the indexes that only sweeps and gauges may use (migration 0026). Any other statement knows whose
 * rows it wants, and says `finished_at is null` or `status = 'open'` of them: were those an index's words, PostgreSQL would read all
 * that is open for one row whenever its statistics are from before a crowd came. It cannot see that these say the same.
 */
export const OPEN_RUN = "coalesce(runs.finished_at, 'infinity') = 'infinity'";
export const OPEN_FLOW = "(connection_flows.status || '') = 'open'";
export const WAITING_RUN = "(flow_waiters.state || '') = 'waiting'";
export const PENDING_DELIVERY = "(deliveries.status || '') = 'pending'";
