/** One piece of work for all who ask for it at the same time. The work belongs to nobody: no single caller can abort it. */
import { ComposioFailure } from './failure.ts';

export type Coalescer<T> = (key: string, work: () => Promise<T>, signal?: AbortSignal) => Promise<T>;

export function createCoalescer<T>(): Coalescer<T> {
  const underWay = new Map<string, Promise<T>>();
  return async (key, work, signal) => {
    let shared = underWay.get(key);
    if (!shared) {
      shared = work().finally(() => underWay.delete(key));
      // A caller that gives up stops listening; the failure must then not count as unhandled.
      shared.catch(() => undefined);
      underWay.set(key, shared);
    }
    return await abortable(shared, signal);
  };
}

/** The promise's result, or a failure as soon as the caller gives up on it. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await promise;
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  const onAbort = (): void =>
    reject(
      new ComposioFailure('the caller gave up', {
        kind: 'unavailable',
        outcome: 'not_sent',
        cause: signal.reason,
      }),
    );
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, givenUp]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
