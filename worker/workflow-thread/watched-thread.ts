/**
 * The line to a thread of workflow code, and the watch over it: code that does not come back would hold up every workflow of the
 * worker. Then the thread is ended, its worker fails, and whoever supervises the process starts a new one.
 */
import { type Worker as Thread } from 'node:worker_threads';
import type { Logger } from '@temporalio/worker';
import threadedVm from '@temporalio/worker/lib/workflow/threaded-vm.js';

type Client = InstanceType<typeof threadedVm.WorkerThreadClient>;
type Input = Parameters<Client['send']>[0];
type Output = Awaited<ReturnType<Client['send']>>;

const LOOK_MS = 1_000;

export class WatchedThread extends threadedVm.WorkerThreadClient {
  /** What was sent and has no answer yet, the oldest first. */
  readonly #open = new Set<Input>();

  /** @param limitMs how long one piece of work may take, with its wait for those before it. */
  constructor(thread: Thread, logger: Logger, limitMs: number) {
    super(thread, logger);
    let before: Input | undefined;
    // Looks, not a clock: of a process that was frozen for minutes nothing is late but itself.
    let looks = 0;
    const timer = setInterval(() => {
      const [oldest] = this.#open;
      looks = oldest !== undefined && oldest === before ? looks + 1 : 0;
      before = oldest;
      if (oldest === undefined || looks * LOOK_MS < limitMs) return;
      clearInterval(timer);
      const temporalRunId = 'runId' in oldest ? oldest.runId : undefined;
      logger.error('workflow code has not come back, its thread is ended', { temporalRunId, limitMs });
      void thread.terminate();
    }, LOOK_MS).unref();
    thread.once('exit', () => clearInterval(timer));
  }

  override async send(input: Input): Promise<Output> {
    this.#open.add(input);
    try {
      return await super.send(input);
    } finally {
      this.#open.delete(input);
    }
  }
}
