/**
 * The worker: workflows and activities on one task queue, because eager activity dispatch works only within one queue, and
 * the attempts to deliver notices on another. Starts polling at `run()`, not before.
 */
import {
  type NativeConnection,
  Worker,
  type WorkerOptions,
  type WorkflowBundleOption,
} from '@temporalio/worker';
import { type ActivityDeps } from '../activities/deps.ts';
import { createActivities } from '../activities/index.ts';
import { noticesTaskQueue } from '../workflows/messages.ts';

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
 * As often as activities beat (activities/running.ts). The SDK's default would hold beats back for 0.8 of their timeout, and
 * one more that is late would pass for a lost worker. A cancellation comes with the answer to a beat: sooner, too.
 */
const MAX_HEARTBEAT_THROTTLE = '1 second';
/**
 * A workflow task of a worker that died waits in that worker's own queue for this long, then any worker may take it. Live
 * workers fetch theirs in milliseconds; one that is so loaded that it does not loses a cached workflow, whose history is
 * small. The SDK's default of 10 s was most of what a run stood still after a kill.
 */
const STICKY_TIMEOUT = '2 seconds';
/** After the tool deadline a sent call has its answer or its abort, and a few seconds to record it. */
const GRACE_MARGIN_MS = 5_000;

/**
 * Attempts to deliver at once, and so requests to the receiver: it is one service of the integrator's, made for a few at a
 * time. Slow ones take these places and no run's.
 */
const MAX_DELIVERIES = 20;
/** Enough to keep the places taken; each is a long poll that the server holds. */
const DELIVERY_POLLERS = 2;

/** The part of the SDK's worker that its owner needs. */
export type RunningWorker = Pick<Worker, 'run' | 'shutdown' | 'getState'>;

export async function createWorker(deps: WorkerDeps): Promise<RunningWorker> {
  const main = await Worker.create(workerOptions(deps));
  return together(main, await Worker.create(deliveryOptions(deps)));
}

/** Apart from `createWorker`, so that a bench can compare with other options and a test can put faults between. */
export function workerOptions(deps: WorkerDeps): WorkerOptions {
  return {
    ...sharedOptions(deps),
    taskQueue: deps.taskQueue,
    workflowBundle: deps.workflowBundle,
    maxCachedWorkflows: MAX_CACHED_WORKFLOWS,
    maxConcurrentActivityTaskExecutions: deps.maxActivities ?? MAX_ACTIVITIES,
    maxEagerActivityReservationsPerWorkflowTask: EAGER_ACTIVITIES,
    stickyQueueScheduleToStartTimeout: STICKY_TIMEOUT,
  };
}

/** Activities only. */
function deliveryOptions(deps: WorkerDeps): WorkerOptions {
  return {
    ...sharedOptions(deps),
    taskQueue: noticesTaskQueue(deps.taskQueue),
    maxConcurrentActivityTaskExecutions: MAX_DELIVERIES,
    maxConcurrentActivityTaskPolls: DELIVERY_POLLERS,
  };
}

function sharedOptions(deps: WorkerDeps) {
  const { connection, namespace, settings } = deps;
  return {
    connection,
    namespace,
    activities: createActivities(deps),
    maxHeartbeatThrottleInterval: MAX_HEARTBEAT_THROTTLE,
    defaultHeartbeatThrottleInterval: MAX_HEARTBEAT_THROTTLE,
    shutdownGraceTime: settings.toolTimeoutMs + GRACE_MARGIN_MS,
  } as const;
}

/** Two workers that live and end as one. */
function together(...workers: readonly [Worker, Worker]): RunningWorker {
  const [main] = workers;
  const shutdown = (): void => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  return {
    run: async () => {
      const runs = workers.map((worker) => worker.run().finally(shutdown));
      const ends = await Promise.allSettled(runs);
      const failed = ends.find((end) => end.status === 'rejected');
      if (failed) throw failed.reason;
    },
    shutdown,
    getState: () => workers.find((worker) => worker.getState() !== 'RUNNING')?.getState() ?? main.getState(),
  };
}
