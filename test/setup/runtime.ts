/** The SDK's runtime of a test process: quiet, and without signal handlers. TEST_LOG=1 shows what workers say. */
import { Runtime, makeTelemetryFilterString } from '@temporalio/worker';

let isInstalled = false;

/** Once per process, before the first worker. */
export function installTestRuntime(): void {
  if (isInstalled) return;
  isInstalled = true;
  const isLoud = process.env['TEST_LOG'] === '1';
  const say = isLoud ? (...args: unknown[]) => console.error(...args) : () => {};
  const level = isLoud ? 'WARN' : 'ERROR';
  Runtime.install({
    shutdownSignals: [],
    logger: { log: say, trace() {}, debug() {}, info: say, warn: say, error: say },
    telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: level, other: level }) } },
  });
}
