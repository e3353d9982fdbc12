/** The SDK's runtime of this process: our logger, its metrics where somebody asks for them, and no signal handlers of its own (it would take SIGUSR2 too). */
import { DefaultLogger, Runtime, makeTelemetryFilterString } from '@temporalio/worker';
import type { Logger } from 'pino';

const LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

/** `metricsAddress`: where it serves its metrics; null: nowhere. */
export function installRuntime(logger: Logger, metricsAddress: string | null): void {
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger('INFO', ({ level, message, meta }) =>
      logger[LEVELS[level]](readable(meta), message),
    ),
    telemetryOptions: {
      // Its native part, which else writes lines of its own form past the logger.
      logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) },
      ...(metricsAddress === null
        ? {}
        : {
            metrics: {
              prometheus: {
                bindAddress: metricsAddress,
                countersTotalSuffix: true,
                unitSuffix: true,
                useSecondsForDurations: true,
              },
            },
          }),
    },
  });
}

/** The SDK's errors are told as ours are: under `err`, by name, message and stack; what its native part calls `runId` is Temporal's. */
function readable(meta: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const { error, ...rest } = meta;
  const { runId: temporalRunId, ...native } = rest;
  const isNative = rest['sdkComponent'] === 'core' && temporalRunId !== undefined;
  const told = isNative ? { ...native, temporalRunId } : rest;
  if (error === undefined) return told;
  return { ...told, [error instanceof Error ? 'err' : 'error']: error };
}
