/** Work on many things, some of them at a time. The first failure ends the rest, and nothing goes on after the caller has heard of it. */

/** `work` gets a signal of its own that aborts with the caller's, and when another piece has failed. @throws the first failure. */
export async function sideBySide<T>(
  items: readonly T[],
  { atOnce, signal }: { readonly atOnce: number; readonly signal: AbortSignal },
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const ending = new AbortController();
  const pieceSignal = AbortSignal.any([signal, ending.signal]);
  const failures: unknown[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length && !pieceSignal.aborted) {
      const item = items[next] as T;
      next += 1;
      try {
        await work(item, pieceSignal);
      } catch (error) {
        failures.push(error);
        ending.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  signal.throwIfAborted();
  if (failures.length > 0) throw failures[0];
}
