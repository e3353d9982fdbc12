/**
 * The worker: workflows and activities on one task queue, because eager activity dispatch works only within one queue.
 * Starts polling at `run()`, not before.
 */
import { type NativeConnection, Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { type ActivityDeps } from '../activities/deps.ts';
import { createActivities } from '../activities/index.ts';

export type WorkerDeps = ActivityDeps & {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly workflowBundle: WorkflowBundleOption;
  /** Activities at once. */
  readonly maxActivities?: number;
};

/**
 * Of cached workflows. History is small (ids only), so a workflow that was evicted is back within milliseconds; the SDK's
 * own formula would keep thousands, 0.3 MB each.
 */
const MAX_CACHED_WORKFLOWS = 500;
/** Each activity is mostly a wait for Composio or the model. */
const MAX_ACTIVITIES = 100;
/**
 * As many as one turn's calls run side by side (workflows/agent-run.ts): with the SDK's default of 3 the others come later,
 * by the server, and report one by one, each with a workflow task of its own.
 */
const EAGER_ACTIVITIES = 8;
/**
 * A cancellation reaches an activity with the answer to its heartbeat. The SDK's default would hold heartbeats back for up to
 * 8 s (24 s in the audit), and a model's answer that nobody wants any more would be paid for meanwhile.
 */
const MAX_HEARTBEAT_THROTTLE = '2 seconds';
/** After the tool deadline a sent call has its answer or its abort, and a few seconds to record it. */
const GRACE_MARGIN_MS = 5_000;

export async function createWorker(deps: WorkerDeps): Promise<Worker> {
  const { connection, namespace, taskQueue, workflowBundle, settings } = deps;
  return Worker.create({
    connection,
    namespace,
    taskQueue,
    workflowBundle,
    activities: createActivities(deps),
    maxCachedWorkflows: MAX_CACHED_WORKFLOWS,
    maxConcurrentActivityTaskExecutions: deps.maxActivities ?? MAX_ACTIVITIES,
    maxEagerActivityReservationsPerWorkflowTask: EAGER_ACTIVITIES,
    maxHeartbeatThrottleInterval: MAX_HEARTBEAT_THROTTLE,
    defaultHeartbeatThrottleInterval: MAX_HEARTBEAT_THROTTLE,
    shutdownGraceTime: settings.toolTimeoutMs + GRACE_MARGIN_MS,
  });
}
