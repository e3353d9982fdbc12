/**
 * What is open, in the words of the indexes that are of all users' rows, for sweeps, gauges and lists of operators (migration 0026). A
 * statement that knows its row says `finished_at is null` or `status = 'open'` of it instead: were those an index's words, PostgreSQL
 * would read all that is open for one row whenever its statistics are from before a crowd came. It cannot see that these say the
 * same. What goes by users has the open rows' indexes that begin with the user, in the plain words.
 */
export const OPEN_RUN = "coalesce(runs.finished_at, 'infinity') = 'infinity'";
export const OPEN_FLOW = "(connection_flows.status || '') = 'open'";
export const WAITING_RUN = "(flow_waiters.state || '') = 'waiting'";
export const PENDING_DELIVERY = "(deliveries.status || '') = 'pending'";
