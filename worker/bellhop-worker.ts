/**
 * The SDK's worker, but for the thread in which workflow code runs. It knows nothing of what the worker is for.
 *
 * The SDK gives each call into workflow code a time limit, for which Node starts and ends a thread, some twenty times in a run that is
 * woken. Here the thread as a whole is watched instead, and the stacks of promises cost less (`npm run bench -- replay`, ADR 0023).
 */
import { Worker as Thread } from 'node:worker_threads';
import { type CompiledWorkerOptions, type Logger, Worker } from '@temporalio/worker';
import type { WorkflowCreator } from '@temporalio/worker/lib/workflow/interface.js';
import threadedVm from '@temporalio/worker/lib/workflow/threaded-vm.js';
import type { WorkflowBundleWithSourceMapAndFilename } from '@temporalio/worker/lib/workflow/workflow-worker-thread/input.js';
import { WatchedThread } from './workflow-thread/watched-thread.ts';

const ENTRY = new URL('./workflow-thread/main.ts', import.meta.url);
/**
 * A piece of workflow code takes milliseconds, and some forty may stand before it; on a machine whose processor is taken away that
 * becomes seconds.
 */
const LONGEST_MS = 30_000;

export class BellhopWorker extends Worker {
  /** Milliseconds after which workflow code that does not come back ends the worker. */
  protected static readonly longestMs: number = LONGEST_MS;

  protected static override async createWorkflowCreator(
    workflowBundle: WorkflowBundleWithSourceMapAndFilename,
    options: CompiledWorkerOptions,
    logger: Logger,
  ): Promise<WorkflowCreator> {
    // For a debugger: there the SDK runs the code in the main thread.
    if (options.debugMode) return await super.createWorkflowCreator(workflowBundle, options, logger);
    const threads = Array.from(
      { length: options.workflowThreadPoolSize },
      () => new WatchedThread(new Thread(ENTRY), logger, this.longestMs),
    );
    await Promise.all(
      threads.map((thread) =>
        thread.send({
          type: 'init',
          workflowBundle,
          // What Node's vm takes for "no limit".
          isolateExecutionTimeoutMs: undefined as unknown as number,
          reuseV8Context: options.reuseV8Context ?? true,
          registeredActivityNames: new Set(options.activities.keys()),
          hasPatchActivationCallback: false,
        }),
      ),
    );
    return new threadedVm.ThreadedVMWorkflowCreator(threads);
  }
}
