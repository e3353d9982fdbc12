/**
 * Preloaded into a worker process that a recovery bench compares with: the options that this project had before they were
 * chosen for recovery, which but for the heartbeats are the SDK's and the server's defaults. Needs `earlierBundle` beside it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { Worker, type WorkerOptions } from '@temporalio/worker';
import { buildWorkflowBundle } from '../../worker/workflow-bundle.ts';

export const EARLIER_WORKFLOW_TASK_TIMEOUT = '10 seconds';

const EARLIER_OPTIONS = {
  stickyQueueScheduleToStartTimeout: '10 seconds',
  maxHeartbeatThrottleInterval: '3 seconds',
  defaultHeartbeatThrottleInterval: '3 seconds',
} as const satisfies Partial<WorkerOptions>;

/** Of workflows/policies.ts, as they stand in the bundle. */
const EARLIER_POLICIES = [
  [/HEARTBEAT_TIMEOUT = '4 seconds'/, "HEARTBEAT_TIMEOUT = '10 seconds'"],
  [/initialInterval: '500 milliseconds'/, "initialInterval: '1 second'"],
] as const;

/** Writes a workflow bundle with the earlier activity policies. @throws when a policy is not found, for then nothing would be compared. */
export async function writeEarlierBundle(file: string): Promise<void> {
  let code = await buildWorkflowBundle();
  for (const [now, then] of EARLIER_POLICIES) {
    if (!now.test(code)) throw new Error(`the bundle has no ${now.source}`);
    code = code.replace(now, then);
  }
  writeFileSync(file, code);
  if (readFileSync(file, 'utf8').length !== code.length) throw new Error('the bundle was not written whole');
}

if (process.env['BENCH_SETTINGS'] === 'earlier') {
  const create = Reflect.get(Worker, 'create') as typeof Worker.create;
  Worker.create = function (this: typeof Worker, options: WorkerOptions) {
    return create.call(this, { ...options, ...EARLIER_OPTIONS });
  };
}
