/**
 * Turns Ctrl-C and its kin into one request to stop, and a later one into a demand. npm passes on the signal that the
 * terminal has sent to everybody already, so one Ctrl-C arrives twice.
 */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Two arrivals of one key press are milliseconds apart; a person who presses again has waited longer. */
const SAME_PRESS_MS = 1_000;

export type StopSignals = {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  /** Resolves with the first signal. */
  readonly requested: Promise<void>;
};

/** `force` is called by a signal that comes more than a second after the first. */
export function listenForStop(force: () => void): StopSignals {
  const aborter = new AbortController();
  const { promise, resolve } = Promise.withResolvers<void>();
  let firstAt: number | undefined;
  for (const name of SIGNALS) {
    process.on(name, () => {
      const now = performance.now();
      if (firstAt === undefined) {
        firstAt = now;
        aborter.abort();
        resolve();
      } else if (now - firstAt > SAME_PRESS_MS) {
        force();
      }
    });
  }
  return { signal: aborter.signal, requested: promise };
}
