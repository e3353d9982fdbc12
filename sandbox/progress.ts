/**
 * Shows that something slow is still at work: a counter that rewrites its line on a terminal, plain lines now and then
 * elsewhere (a CI log). It knows nothing about the work.
 */
export type Output = { readonly isTerminal: boolean; readonly write: (text: string) => void };

/** A terminal's counter moves every second; a log gets a line rarely enough that a build of minutes is a handful. */
const TERMINAL_INTERVAL_MS = 1_000;
const LOG_INTERVAL_MS = 20_000;

/** Runs `work` and shows `what` with the elapsed seconds meanwhile. Gives back what it gives; what it throws passes through. */
export async function showProgress<T>(what: string, output: Output, work: () => Promise<T>): Promise<T> {
  const start = Date.now();
  const elapsed = () => `${Math.round((Date.now() - start) / 1_000)} s`;
  output.write(output.isTerminal ? what : `${what}\n`);
  const timer = setInterval(
    () =>
      output.write(
        output.isTerminal ? `\r\u001B[K${what} ${elapsed()}` : `${what} still at it after ${elapsed()}\n`,
      ),
    output.isTerminal ? TERMINAL_INTERVAL_MS : LOG_INTERVAL_MS,
  );
  timer.unref();
  try {
    const result = await work();
    output.write(
      output.isTerminal ? `\r\u001B[K${what} done in ${elapsed()}\n` : `${what} done in ${elapsed()}\n`,
    );
    return result;
  } catch (error) {
    output.write(
      output.isTerminal
        ? `\r\u001B[K${what} failed after ${elapsed()}\n`
        : `${what} failed after ${elapsed()}\n`,
    );
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/** What a person watches: standard error, so that standard output stays for what a script may read. */
export function standardErrorOutput(): Output {
  return { isTerminal: process.stderr.isTTY, write: (text) => void process.stderr.write(text) };
}
