/** The SDK's runtime of this process: our logger, its metrics where somebody asks for them, and no signal handlers of its own (it would take SIGUSR2 too). */
import { DefaultLogger, Runtime } from '@temporalio/worker';
import type { Logger } from 'pino';

const LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

/** `metricsAddress`: where it serves its metrics; null: nowhere. */
export function installRuntime(logger: Logger, metricsAddress: string | null): void {
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger('INFO', ({ level, message, meta }) =>
      logger[LEVELS[level]](readable(meta), message),
    ),
    ...(metricsAddress === null
      ? {}
      : {
          telemetryOptions: {
            metrics: {
              prometheus: {
                bindAddress: metricsAddress,
                countersTotalSuffix: true,
                unitSuffix: true,
                useSecondsForDurations: true,
              },
            },
          },
        }),
  });
}

/** The SDK's errors are told as ours are: under `err`, by name, message and stack. */
function readable(meta: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const { error, ...rest } = meta;
  return error instanceof Error ? { ...rest, err: error } : { ...meta };
}
