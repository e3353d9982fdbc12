/** One named set of activity options per kind of work. Every number has its reason; nothing else in workflows/ sets a time-out. */
import type { ActivityOptions, LocalActivityOptions } from '@temporalio/workflow';
import { ActivityCancellationType } from '@temporalio/workflow';
import { labelAudit } from '../domain/workflow-labels.ts';

/**
 * A lost worker is noticed after this, and its work begins elsewhere RETRY's first interval later: together within 5 s.
 * Activities beat every second (activities/running.ts), so a pause of the process of almost 3 s (garbage, a huge JSON, a
 * starved machine) is no loss. Shorter, and such a pause would have the model asked, and paid, twice.
 */
const HEARTBEAT_TIMEOUT = '4 seconds';
/**
 * What cannot be reached is tried again this often at most: an outage's end is noticed within a minute. The first interval
 * is also a part of how long a lost worker's activities stand still.
 */
const RETRY = {
  initialInterval: '500 milliseconds',
  backoffCoefficient: 2,
  maximumInterval: '1 minute',
} as const;
/** An outage of many hours parks a run; after a day a person should know that it failed. */
const PATIENCE = '24 hours';

/** Database work with a few reads from Composio. */
export const GATE_POLICY = {
  // Several pages of accounts at Composio's slowest; an attempt that takes longer is stuck.
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: PATIENCE,
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  retry: RETRY,
} as const satisfies ActivityOptions;

/** One request to the model. Aborted at once on cancellation: an answer that nobody waits for need not be paid for. */
export const MODEL_POLICY = {
  // Long answers of slow models take minutes; the request's own deadline is shorter.
  startToCloseTimeout: '5 minutes',
  scheduleToCloseTimeout: PATIENCE,
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: RETRY,
} as const satisfies ActivityOptions;

/** One tool call. The ledger, not the attempt count, keeps a write from happening twice. */
export const TOOL_POLICY = {
  // The request's deadline (60 s by default), the same again when an earlier attempt's must be outwaited, and room for reads.
  startToCloseTimeout: '10 minutes',
  scheduleToCloseTimeout: PATIENCE,
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  // A call that was sent is let finish and recorded.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: RETRY,
} as const satisfies ActivityOptions;

/** Database work only. Tried until it works: a run's end must be written. */
export const RECORD_POLICY = {
  startToCloseTimeout: '30 seconds',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  retry: RETRY,
} as const satisfies ActivityOptions;

/**
 * A look at a row within the workflow's own task, where a task of its own would cost more than the look. A wait between two tries
 * that is longer than a second is a timer's: the workflow's task is not held up meanwhile.
 */
export const ROW_POLICY = {
  // Milliseconds; what takes longer hangs.
  startToCloseTimeout: '10 seconds',
  localRetryThreshold: '1 second',
  retry: RETRY,
} as const satisfies LocalActivityOptions;

/** Many pages in one activity; the cursor is in the row, so a new attempt goes on where the last one was. */
export const AUDIT_POLICY = {
  // A step is half a minute, or as long as fifty pages take that wait for their turn behind everybody's runs.
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  // There is one audit: to ask every 10 s costs nothing, and an audit whose worker was lost again and again does not stand still.
  retry: { ...RETRY, maximumInterval: '10 seconds' },
  // The Schedule's audits start without one: behind everybody's runs.
  priority: labelAudit({ mode: '' }).priority,
} as const satisfies ActivityOptions;

/** One POST to the integrator, or one mail. The workflow's own schedule decides about further ones. */
export const DELIVERY_POLICY = {
  // A POST takes 20 s at most, a mail 45 s. How long it waits for its place is not limited.
  startToCloseTimeout: '1 minute',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  retry: RETRY,
} as const satisfies ActivityOptions;

/** One step of an erasure. Tried until it works: a user who is half erased is never left so. */
export const ERASE_POLICY = {
  // A step that waits takes the tool deadline; one that deletes ten thousand executions some minutes.
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  retry: RETRY,
} as const satisfies ActivityOptions;

/** The nightly pass over what is over: batches that each stand for themselves, so a new attempt goes on where the last one was. */
export const RETENTION_POLICY = {
  // The first pass over a year's rows, and the vacuum of large tables, are hours.
  startToCloseTimeout: '12 hours',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  // Tomorrow there is another pass.
  scheduleToCloseTimeout: PATIENCE,
  retry: RETRY,
} as const satisfies ActivityOptions;
