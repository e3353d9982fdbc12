/**
 * The line to a thread of workflow code, and the watch over it: code that does not come back would hold up every workflow of the
 * worker. Then the thread is ended, its worker fails, and whoever supervises the process starts a new one.
 */
import { type Worker as Thread } from 'node:worker_threads';
import type { Logger } from '@temporalio/worker';
import threadedVm from '@temporalio/worker/lib/workflow/threaded-vm.js';

type Input = Parameters<InstanceType<typeof threadedVm.WorkerThreadClient>['send']>[0];
type Output = Awaited<ReturnType<InstanceType<typeof threadedVm.WorkerThreadClient>['send']>>;

/** Between two looks. */
const LOOK_MS = 1_000;

export class WatchedThread extends threadedVm.WorkerThreadClient {
  /** What was sent and has no answer yet, the oldest first, each since when. */
  readonly #open = new Map<Input, number>();

  /** @param limitMs how long one piece of work may take, with its wait for those before it. */
  constructor(thread: Thread, logger: Logger, limitMs: number) {
    super(thread, logger);
    const look = setInterval(() => {
      const [oldest] = this.#open;
      if (!oldest || performance.now() - oldest[1] < limitMs) return;
      clearInterval(look);
      const runId = 'runId' in oldest[0] ? oldest[0].runId : undefined;
      logger.error('workflow code has not come back, its thread is ended', { temporalRunId: runId, limitMs });
      void thread.terminate();
    }, LOOK_MS).unref();
    thread.once('exit', () => clearInterval(look));
  }

  override async send(input: Input): Promise<Output> {
    this.#open.set(input, performance.now());
    try {
      return await super.send(input);
    } finally {
      this.#open.delete(input);
    }
  }
}
