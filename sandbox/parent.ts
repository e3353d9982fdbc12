/**
 * Ends a child in order when the process that started it is gone, killed included. Loaded into worker/main.ts and
 * api/main.ts by `--import ./sandbox/parent-preload.ts`, so that they need not know of it.
 */

/** The child's own stop gets this long (a worker lets activities finish), then the process ends whatever it does. */
const STOP_TIMEOUT_MS = 8_000;

let isWatching = false;

/** Does nothing in a process that was started without an IPC channel. */
export function exitWhenParentGoes(): void {
  if (isWatching || process.channel === null || process.channel === undefined) return;
  isWatching = true;
  process.once('disconnect', () => {
    process.kill(process.pid, 'SIGTERM');
    setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref();
  });
  process.channel.unref(); // the channel alone must not keep a finished process alive
}
