/**
 * The worker: workflows and activities on one task queue, because eager activity dispatch works only within one queue, and
 * the attempts to deliver notices on another; tool calls and audits on further ones where that was asked for. Starts polling at
 * `run()`, not before.
 */
import type { NativeConnection, Worker, WorkerOptions, WorkflowBundleOption } from '@temporalio/worker';
import { type ActivityDeps } from '../activities/deps.ts';
import { createActivities } from '../activities/index.ts';
import { logActivityIds } from '../telemetry/activity-ids.ts';
import { auditTaskQueue, noticesTaskQueue, toolsTaskQueue } from '../workflows/messages.ts';
import { BellhopWorker } from './bellhop-worker.ts';

export type WorkerDeps = ActivityDeps & {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly workflowBundle: WorkflowBundleOption;
  /** Activities at once. */
  readonly maxActivities?: number;
  /** Which of the queues beside `taskQueue`, and whether that itself, are served. Default: that and the notices'. */
  readonly queues?: readonly WorkerQueue[];
  /** Null: not versioned. */
  readonly deployment?: WorkerDeployment | null;
  /** Who watches: metrics, traces. */
  readonly watchers?: NonNullable<WorkerOptions['interceptors']>;
};
export type WorkerQueue = 'main' | 'notices' | 'tools' | 'audit';
export type WorkerDeployment = { readonly name: string; readonly buildId: string };

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
  const workers: Worker[] = [];
  for (const queue of deps.queues ?? (['main', 'notices'] as const))
    workers.push(await BellhopWorker.create(OPTIONS[queue](deps)));
  return together(workers);
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

/** Audits, workflows and all; there is one at a time. */
function auditOptions(deps: WorkerDeps): WorkerOptions {
  return { ...workerOptions(deps), taskQueue: auditTaskQueue(deps.taskQueue), maxCachedWorkflows: 2 };
}

/** Activities only: calls of tools, as many at once as beside everything else. */
function toolsOptions(deps: WorkerDeps): WorkerOptions {
  return {
    ...sharedOptions(deps),
    taskQueue: toolsTaskQueue(deps.taskQueue),
    maxConcurrentActivityTaskExecutions: deps.maxActivities ?? MAX_ACTIVITIES,
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

function sharedOptions(deps: WorkerDeps): Omit<WorkerOptions, 'taskQueue'> {
  const { connection, namespace, settings, deployment, watchers } = deps;
  const { activity = [], ...interceptors } = watchers ?? {};
  return {
    interceptors: { ...interceptors, activity: [logActivityIds, ...activity] },
    ...(deployment ? versioned(deployment) : {}),
    connection,
    namespace,
    activities: createActivities(deps),
    maxHeartbeatThrottleInterval: MAX_HEARTBEAT_THROTTLE,
    defaultHeartbeatThrottleInterval: MAX_HEARTBEAT_THROTTLE,
    shutdownGraceTime: settings.toolTimeoutMs + GRACE_MARGIN_MS,
  };
}

/**
 * A run may wait for days, so it must not stay on the version that began it: AUTO_UPGRADE gives it to whatever version is current
 * when it goes on. Changes of workflow code are `patched` for that reason, versioned or not.
 */
function versioned({ name, buildId }: WorkerDeployment): Pick<WorkerOptions, 'workerDeploymentOptions'> {
  return {
    workerDeploymentOptions: {
      version: { deploymentName: name, buildId },
      useWorkerVersioning: true,
      defaultVersioningBehavior: 'AUTO_UPGRADE',
    },
  };
}

const OPTIONS: Readonly<Record<WorkerQueue, (deps: WorkerDeps) => WorkerOptions>> = {
  main: workerOptions,
  notices: deliveryOptions,
  tools: toolsOptions,
  audit: auditOptions,
};

/** Workers that live and end as one. */
function together(workers: readonly Worker[]): RunningWorker {
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
    getState: () => workers.find((worker) => worker.getState() !== 'RUNNING')?.getState() ?? 'RUNNING',
  };
}
