/**
 * Preloaded into a worker process that a bench compares others with: BENCH_WORKER_OPTIONS (JSON) stands over the options that
 * worker/create-worker.ts gives to the worker of runs. The other workers of the process keep theirs.
 */
import { Worker, type WorkerOptions } from '@temporalio/worker';

const change = process.env['BENCH_WORKER_OPTIONS'];
if (change !== undefined) {
  const changed = JSON.parse(change) as Partial<WorkerOptions>;
  const create = Reflect.get(Worker, 'create') as typeof Worker.create;
  Worker.create = function (this: typeof Worker, options: WorkerOptions) {
    return create.call(this, options.workflowBundle === undefined ? options : { ...options, ...changed });
  };
}
