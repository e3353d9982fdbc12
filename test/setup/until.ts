/** Waits for something to become so, by looking again and again. */

/** For one step of a run, however busy the machine is; it costs nothing where the step comes. */
export const PATIENCE_MS = 60_000;

/** Polls `look` until it gives something other than null, undefined or false. @throws after `timeoutMs`, saying what did not come. */
export async function until<T>(
  what: string,
  look: () => Promise<T | null | undefined | false>,
  timeoutMs = PATIENCE_MS,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== null && seen !== undefined && seen !== false) return seen;
    if (Date.now() > deadline) throw new Error(`in vain for ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
