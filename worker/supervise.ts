/** Runs the worker until a signal or a failure: stop polling, let what was sent finish, close everything in order. */
import closeWithGrace from 'close-with-grace';
import type { Logger } from 'pino';
import type { RunningWorker } from './create-worker.ts';

/** Above the worker's own grace, for closing pools and connections. */
const CLOSE_MARGIN_MS = 10_000;

export async function superviseWorker(
  { worker, logger, graceMs }: { worker: RunningWorker; logger: Logger; graceMs: number },
  closers: readonly (() => Promise<void>)[],
): Promise<void> {
  const running = worker.run();
  const close = closeWithGrace(
    { delay: graceMs + CLOSE_MARGIN_MS, logger: false },
    async ({ err, signal }) => {
      if (err) logger.error({ err }, 'the worker stops because of an error');
      else logger.info({ signal }, 'the worker drains');
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await running.catch((error: unknown) => logger.error({ err: error }, 'the worker failed'));
      for (const closer of closers) await closer();
      logger.info('the worker has stopped');
    },
  );
  logger.info('the worker polls');
  try {
    await running;
  } catch {
    // Not by a signal: leave, so that whoever supervises this process starts a new one.
    process.exitCode = 1;
    close.close();
  }
}
